package monitor

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// unprivileged takes CAP_SYS_RESOURCE from the thread of this test, which ends
// with it.
func unprivileged(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_RESOURCE
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

func TestTriggersRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		layout cgroup.Layout
		proc   string
		want   string
	}{
		"a copy":    {cgroup.Layout{Mode: cgroup.V2}, "/proc", "a copied tree has no kernel behind it"},
		"cgroup v1": {cgroup.Layout{Mode: cgroup.V1, Real: true}, "/proc", "cgroup v1 has no pressure of single cgroups"},
		"no right":  {cgroup.Layout{Mode: cgroup.V2, Real: true}, "/proc", "kernel triggers faster than polling take CAP_SYS_RESOURCE"},
		"no file":   {cgroup.Layout{Mode: cgroup.V2, Real: true}, "/nowhere", "the kernel refuses a trigger: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("/proc/pressure/cpu"); err != nil {
				t.Skip("this kernel has no pressure")
			}
			unprivileged(t)
			if got := triggersRefused(tc.layout, tc.proc); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// A container whose trigger is refused, although the host's was not, is polled.
func TestRealTriggerRefusedForOne(t *testing.T) {
	dir := pressured(t)
	unprivileged(t)
	fd, errno := kernel.Open(unix.AT_FDCWD, kernel.NewPath(dir), unix.O_PATH|unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer unix.Close(fd)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fast{epoll: epoll}
	defer f.Close()
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := f.openTriggered(fd); ok || f.Triggers() != 0 {
		t.Errorf("descriptor %d, %d triggers", got, f.Triggers())
	}
	after, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("%d descriptors, were %d", len(after), len(before))
	}
}

// pressured makes a cgroup with pressure of its own, wherever cgroup2 is mounted.
func pressured(t *testing.T) string {
	t.Helper()
	for _, root := range []string{cgrouptest.Root, filepath.Join(cgrouptest.Root, "unified")} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(root, "estmon-trigger")
		if err != nil {
			t.Skipf("cgroups cannot be made here: %v", err)
		}
		t.Cleanup(func() { os.Remove(dir) }) //nolint:errcheck // nothing is in it
		if _, err := os.Stat(filepath.Join(dir, "cpu.pressure")); err != nil {
			t.Skip("cgroups have no pressure here")
		}
		return dir
	}
	t.Skip("no cgroup2 is mounted")
	return ""
}
