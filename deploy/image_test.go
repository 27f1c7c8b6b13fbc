package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is what the files of an image say of each other.
type descriptor struct {
	Digest   string `json:"digest"`
	Platform struct {
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

type manifest struct {
	Manifests []descriptor `json:"manifests"` // of an index
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
}

// archive returns the image of build/packages as a directory.
func archive(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("../build/packages/estimatord_*.oci.tar")
	if err != nil || len(found) != 1 {
		t.Skipf("no image, or several, in build/packages: make image (err %v)", err)
	}
	file, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	dir := t.TempDir()
	extract(t, file, dir)
	return dir
}

// extract unpacks a tar, which has directories and regular files alone.
func extract(t *testing.T, from io.Reader, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for files := tar.NewReader(from); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Clean(h.Name)
		if h.Typeflag == tar.TypeDir {
			err = root.MkdirAll(name, 0o755)
		} else {
			var file *os.File
			if file, err = root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(h.Mode).Perm()); err == nil {
				_, err = io.Copy(file, files)
				err = errors.Join(err, file.Close())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// blob reads one of the files that an image is made of.
func blob(t *testing.T, dir, digest string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "blobs", strings.Replace(digest, ":", "/", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// bundle unpacks the image and puts deploy/image/config.json beside it, with the
// directories of the host below dir.
func bundle(t *testing.T, dir, cgroup string) {
	t.Helper()
	image := archive(t)
	var top, index, m manifest
	data, err := os.ReadFile(filepath.Join(image, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &top); err != nil {
		t.Fatal(err)
	}
	blob(t, image, top.Manifests[0].Digest, &index)
	here := slices.IndexFunc(index.Manifests, func(d descriptor) bool { return d.Platform.Architecture == runtime.GOARCH })
	if here < 0 || len(index.Manifests) != 2 {
		t.Fatalf("the image is for %v, want amd64 and arm64", index.Manifests)
	}
	blob(t, image, index.Manifests[here].Digest, &m)
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, layer := range m.Layers {
		file, err := os.Open(filepath.Join(image, "blobs", strings.Replace(layer.Digest, ":", "/", 1)))
		if err != nil {
			t.Fatal(err)
		}
		data, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		extract(t, data, filepath.Join(dir, "rootfs"))
		_ = file.Close()
	}

	text, err := os.ReadFile("image/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Process struct {
			Args, Env []string
		} `json:"process"`
	}
	var of struct {
		Config struct{ Entrypoint, Cmd, Env []string } `json:"config"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	blob(t, image, m.Config.Digest, &of)
	if !slices.Equal(spec.Process.Args, slices.Concat(of.Config.Entrypoint, of.Config.Cmd)) || !slices.Equal(spec.Process.Env, of.Config.Env) {
		t.Errorf("config.json runs %q with %q, the image %q", spec.Process.Args, spec.Process.Env, of.Config)
	}
	for _, name := range []string{"/etc/estimatord", "/run/estimatord", "/var/lib/estimatord"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), `"source": "`+name+`"`, `"source": "`+filepath.Join(dir, name)+`"`, 1))
	}
	if !may(t, unix.CAP_SYS_RESOURCE) { // in a container itself: the runtime cannot prefer this daemon to others
		t.Log("not root enough for oomScoreAdj")
		text = []byte(strings.Replace(string(text), `"oomScoreAdj": -900`, `"oomScoreAdj": 0`, 1))
	}
	text = []byte(strings.Replace(string(text), `"cgroupsPath": "/estimatord"`, `"cgroupsPath": "`+cgroup+`"`, 1))
	write(t, filepath.Join(dir, "config.json"), string(text))
}

// may reports whether this process has a capability.
func may(t *testing.T, capability int) bool {
	t.Helper()
	header, data := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// The image, with the mounts and capabilities that the documentation names and no
// more, throttles a revocable container of the host and undoes that when it ends.
func TestImage(t *testing.T) {
	const oci = "runc"
	if _, err := exec.LookPath(oci); err != nil {
		t.Skip("runc is not installed (Debian: apt install runc)")
	}
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	dir, err := os.MkdirTemp("", "image") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := fmt.Sprintf("estimatord-image-%d", os.Getpid())
	bundle(t, dir, "/"+name)
	n := newNode(t, filepath.Join(dir, "run/estimatord/agent.sock"))
	write(t, filepath.Join(dir, "etc/estimatord/estimatord.yaml"), n.settings()+"listen: off\n")
	write(t, filepath.Join(dir, "etc/estimatord/policy.yaml"), throttling)

	runtime := func(args ...string) *exec.Cmd {
		return exec.Command(oci, append([]string{"--root", filepath.Join(dir, "oci")}, args...)...)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("what it said (err %v):\n%s", err, text)
		}
	})
	daemon := runtime("run", "--bundle", dir, name)
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	t.Cleanup(func() { _ = runtime("delete", "--force", name).Run() })

	n.launchBoth(t)
	n.awaitThrottled(t, true)
	status, err := runtime("exec", name, "/usr/bin/estimatord", "status").CombinedOutput()
	if err != nil || !strings.Contains(string(status), "any-load") {
		t.Errorf("status in the container: err %v\n%s", err, status)
	}
	if out, err := runtime("kill", name, "TERM").CombinedOutput(); err != nil {
		t.Fatalf("kill: %v %s", err, out)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		_ = daemon.Process.Signal(syscall.SIGKILL)
		t.Fatal("it does not end")
	}
	n.awaitThrottled(t, false)
	for _, file := range []string{"state.json", "decisions"} {
		if _, err := os.Stat(filepath.Join(dir, "var/lib/estimatord", file)); err != nil {
			t.Errorf("nothing was kept on the host: %v", err)
		}
	}
}
