package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAbove(t *testing.T) {
	for rel, want := range map[string][]string{
		"mesos":    {"/cg/mesos", "/cg"},
		"a/b":      {"/cg/a/b", "/cg/a", "/cg"},
		"/a/../..": {"/cg"},
	} {
		if got := Above("/cg", rel); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", rel, got, want)
		}
	}
}

// Where our own cpuset is, from what /proc says of us and of the mount.
func TestOwnCPUSet(t *testing.T) {
	const mount = "30 25 0:26 %ROOT% /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
	for _, tc := range []struct {
		name, own, root, want string
	}{
		{"on the host", "4:cpuset:/\n", "/", "/cg/cpuset"},
		{"in a cgroup of the host", "4:cpuset:/user\n", "/", "/cg/cpuset/user"},
		{"in a container with its cgroup as the mount", "4:cpuset:/docker/12ab\n", "/docker/12ab", "/cg/cpuset"},
		{"below it", "4:cpuset:/docker/12ab/x\n", "/docker/12ab", "/cg/cpuset/x"},
		{"a neighbor of the mount", "4:cpuset:/docker/12abc\n", "/docker/12ab", ""},
		{"shared with another controller", "4:cpu,cpuset:/x\n", "/", "/cg/cpuset/x"},
		{"a colon in the path", "4:cpuset:/a:b\n", "/", "/cg/cpuset/a:b"},
		{"outside of the cgroup namespace", "4:cpuset:/../other\n", "/", ""},
		{"no such hierarchy", "0::/x\n", "/", ""},
		{"not a line of it", "cpuset\n", "/", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proc := t.TempDir()
			if err := errors.Join(os.Mkdir(filepath.Join(proc, "42"), 0o755), os.Symlink("42", filepath.Join(proc, "self"))); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{
				"cgroup":    tc.own,
				"mountinfo": "29 25 0:26 / /cg/memory rw - cgroup cgroup rw,memory\n" + strings.Replace(mount, "%ROOT%", tc.root, 1),
			} {
				if err := os.WriteFile(filepath.Join(proc, "self", name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			l := Layout{Mode: V1, CPUSet: "/cg/cpuset"}
			if got := l.OwnCPUSet(proc); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	if got := (Layout{Mode: V1, CPUSet: "/cg/cpuset"}).OwnCPUSet(t.TempDir()); got != "" {
		t.Errorf("without /proc: %q", got)
	}
}
