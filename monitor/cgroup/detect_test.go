package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cgroups "github.com/containerd/cgroups/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

func TestMain(m *testing.M) {
	if root := os.Getenv("ESTIMATORD_TEST_DETECT"); root != "" {
		_, err := cgroup.Detect(root, "/proc")
		if errors.Is(err, cgroup.ErrDenied) {
			os.Exit(42)
		}
		os.Stderr.WriteString("Detect: " + errString(err) + "\n") //nolint:errcheck // read by the parent
		os.Exit(1)
	}
	cgrouptest.Main(m)
}

func errString(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

func TestDetectCopiedTree(t *testing.T) {
	for _, tc := range []struct {
		shape cgrouptest.Shape
		mode  cgroup.Mode
		at    map[string]string
	}{
		{cgrouptest.Split, cgroup.V1, map[string]string{"cpu": "cpu", "cpuacct": "cpuacct", "memory": "memory", "pids": "pids"}},
		{cgrouptest.HybridV1, cgroup.Hybrid, map[string]string{"cpu": "cpu", "cpuacct": "cpuacct", "memory": "memory", "pids": "pids"}},
		{cgrouptest.UnifiedV2, cgroup.V2, map[string]string{"cpu": ".", "cpuacct": ".", "memory": ".", "pids": "."}},
	} {
		t.Run(string(tc.shape), func(t *testing.T) {
			c := cgrouptest.NewCopied(t, t.TempDir(), tc.shape)
			l, err := cgroup.Detect(c.Root, "/proc")
			if err != nil {
				t.Fatal(err)
			}
			if l.Mode != tc.mode || l.Real {
				t.Errorf("got %+v", l)
			}
			for controller, rel := range tc.at {
				if got, want := l.Mount(controller), filepath.Join(c.Root, rel); got != want {
					t.Errorf("%s is at %q, want %q", controller, got, want)
				}
			}
		})
	}
}

// Two controllers on one hierarchy have one directory, whichever name was
// listed first.
func TestDetectCoMounted(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.CoMounted)
	l, err := cgroup.Detect(c.Root, "/proc")
	if err != nil {
		t.Fatal(err)
	}
	cpu, err := filepath.EvalSymlinks(l.Mount("cpu"))
	if err != nil {
		t.Fatal(err)
	}
	cpuacct, err := filepath.EvalSymlinks(l.Mount("cpuacct"))
	if err != nil {
		t.Fatal(err)
	}
	if cpu != cpuacct || l.Mount("cpu") != l.Mount("cpuacct") {
		t.Errorf("cpu at %q, cpuacct at %q", l.Mount("cpu"), l.Mount("cpuacct"))
	}
}

func TestDetectRefuses(t *testing.T) {
	dir := t.TempDir()
	mk := func(paths ...string) string {
		t.Helper()
		root := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_"), paths[0])
		for _, p := range paths[1:] {
			if err := os.MkdirAll(filepath.Join(root, p), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return root
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	v2 := mk("v2 without controllers", ".")
	if err := os.WriteFile(filepath.Join(v2, "cgroup.controllers"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, root string
		want       error
	}{
		{"missing", filepath.Join(dir, "none"), cgroup.ErrNoRoot},
		{"a file", file, cgroup.ErrNotCgroup},
		{"empty directory", mk("empty", "."), cgroup.ErrNotCgroup},
		{"only other controllers", mk("others", "freezer", "devices"), cgroup.ErrNotCgroup},
		{"neither cpuacct nor memory", mk("cpu only", "cpu", "pids"), cgroup.ErrNoController},
		{"proc", "/proc", cgroup.ErrNotCgroup},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := cgroup.Detect(tc.root, "/proc")
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
	t.Run("v2 without controllers is degraded", func(t *testing.T) {
		l, err := cgroup.Detect(v2, "/proc")
		if err != nil {
			t.Fatal(err)
		}
		for _, controller := range []string{"cpu", "memory", "pids"} {
			if at := l.Mount(controller); at != "" {
				t.Errorf("%s is at %q", controller, at)
			}
		}
	})
}

// What we find out must agree with what containerd finds out of this machine.
func TestDetectAgreesWithContainerd(t *testing.T) {
	want, ok := map[cgroups.CGMode]cgroup.Mode{
		cgroups.Legacy: cgroup.V1, cgroups.Hybrid: cgroup.Hybrid, cgroups.Unified: cgroup.V2,
	}[cgroups.Mode()]
	if !ok {
		t.Skip("no cgroups on this host")
	}
	l, err := cgroup.Detect(cgrouptest.Root, "/proc")
	if err != nil {
		t.Fatal(err)
	}
	if l.Mode != want || !l.Real {
		t.Errorf("we say %v (real: %v), containerd says %v", l.Mode, l.Real, want)
	}
}

func TestDetectOneHierarchyIsNotTheRoot(t *testing.T) {
	l, err := cgroup.Detect(cgrouptest.Root, "/proc")
	if err != nil || l.Mode == cgroup.V2 {
		t.Skip("no v1 hierarchy on this host")
	}
	if _, err := cgroup.Detect(l.Mount("memory"), "/proc"); !errors.Is(err, cgroup.ErrNotCgroup) {
		t.Errorf("got %v, want %v", err, cgroup.ErrNotCgroup)
	}
}

// Without a usable mountinfo the names decide, and a real tree is still real.
func TestDetectWithoutProc(t *testing.T) {
	want, err := cgroup.Detect(cgrouptest.Root, "/proc")
	if err != nil {
		t.Skipf("no usable cgroups on this host: %v", err)
	}
	got, err := cgroup.Detect(cgrouptest.Root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDetectDenied(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.Split)
	if err := os.Chmod(c.Root, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(c.Root, 0o700) }) //nolint:errcheck // for TempDir's removal
	if os.Geteuid() != 0 {
		if _, err := cgroup.Detect(c.Root, "/proc"); !errors.Is(err, cgroup.ErrDenied) {
			t.Errorf("got %v, want %v", err, cgroup.ErrDenied)
		}
		return
	}
	// Root may read everything, so another user has to try.
	cgrouptest.RunAs(t, cgrouptest.Nobody, 42, "ESTIMATORD_TEST_DETECT="+c.Root)
}
