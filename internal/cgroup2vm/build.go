package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// job is one test binary in the guest.
type job struct {
	// Package is its import path, Dir where it runs in the guest.
	Package, Dir string
	Args         []string
}

// What is where in the guest.
const (
	planPath   = "jobs.json"
	daemonPath = "bin/estimatord"
	// daemonEnv tells the demo's test where the daemon's binary is.
	daemonEnv = "ESTIMATORD_BINARY"
	// daemonPackage is the daemon, which is in the guest in any case.
	daemonPackage = "./cmd/estimatord"
)

// applets are what tests may look for in the guest's PATH.
var applets = []string{"cat", "false", "sh", "sleep", "true"}

// listed is a package as go list describes it.
type listed struct {
	ImportPath, Dir           string
	TestGoFiles, XTestGoFiles []string
}

// build compiles the tests and packs them into an initramfs. It returns the
// packages that have tests.
func build(ctx context.Context, o options, image string) ([]string, error) {
	packages, err := list(ctx, o.patterns)
	if err != nil {
		return nil, err
	}
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	a := newArchive(f)
	names, err := pack(ctx, o, a, packages)
	return names, errors.Join(err, a.close(), f.Close())
}

func pack(ctx context.Context, o options, a *archive, packages []listed) ([]string, error) {
	for _, d := range []string{"proc", "sys", "dev", "tmp", "run", "bin", "tests"} {
		a.dir(d)
	}
	if err := compile(ctx, o, a, "init", "build", "./internal/cgroup2vm"); err != nil {
		return nil, err
	}
	if err := compile(ctx, o, a, daemonPath, "build", daemonPackage); err != nil {
		return nil, err
	}
	if busybox, err := exec.LookPath("busybox"); err == nil {
		if err := a.copy("bin/busybox", busybox); err != nil {
			return nil, err
		}
		for _, name := range applets {
			a.link("bin/"+name, "busybox")
		}
	}
	var jobs []job
	var names []string
	for _, p := range packages {
		name := strings.ReplaceAll(strings.TrimPrefix(p.ImportPath, "github.com/estimatord/estimatord/"), "/", "_")
		j := job{Package: p.ImportPath, Dir: "tests/" + name, Args: []string{"-test.v", "-test.timeout=10m"}}
		if o.run != "" {
			j.Args = append(j.Args, "-test.run="+o.run)
		}
		a.dir(j.Dir)
		if err := compile(ctx, o, a, j.Dir+"/test", "test", "-c", p.ImportPath); err != nil {
			return nil, err
		}
		if err := copyTree(a, filepath.Join(p.Dir, "testdata"), j.Dir+"/testdata"); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
		names = append(names, p.ImportPath)
	}
	plan, err := json.Marshal(jobs)
	if err != nil {
		return nil, err
	}
	a.file(planPath, 0o644, int64(len(plan)), bytes.NewReader(plan))
	return names, nil
}

// list finds the packages with tests.
func list(ctx context.Context, patterns []string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("no tests in %q", patterns)
	}
	return packages, nil
}

// compile runs a go command and adds its output, a static binary.
func compile(ctx context.Context, o options, a *archive, as, verb string, args ...string) error {
	binary := filepath.Join(o.dir, "binary")
	args = append([]string{verb, "-trimpath", "-ldflags=-s -w", "-o", binary}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	if err := a.copy(as, binary); err != nil {
		return err
	}
	return os.Remove(binary)
}

// copyTree adds a directory with all that is in it; none is no fault.
func copyTree(a *archive, from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			a.dir(name)
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			a.link(name, target)
			return nil
		}
		return a.copy(name, path)
	})
}
