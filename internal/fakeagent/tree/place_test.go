package tree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

func mounts(m ...procfs.MountInfo) (out []*procfs.MountInfo) {
	for i := range m {
		out = append(out, &m[i])
	}
	return out
}

func v1(dir string, controllers ...string) procfs.MountInfo {
	m := procfs.MountInfo{FSType: "cgroup", MountPoint: dir, SuperOptions: map[string]string{"rw": ""}}
	for _, c := range controllers {
		m.SuperOptions[c] = ""
	}
	return m
}

func TestFindV1(t *testing.T) {
	for name, c := range map[string]struct {
		mounts []*procfs.MountInfo
		want   []base
		mount  string
		ok     bool
	}{
		"split": {
			mounts(v1("/cg/cpu", "cpu"), v1("/cg/cpuacct", "cpuacct"), v1("/cg/blkio", "blkio"), v1("/cg/pids", "pids")),
			[]base{{"/cg/cpu", []string{"cpu"}}, {"/cg/cpuacct", []string{"cpuacct"}}, {"/cg/pids", []string{"pids"}}},
			"/cg", true,
		},
		"co-mounted": {
			mounts(v1("/cg/cpu,cpuacct", "cpuacct", "cpu"), v1("/cg/memory", "memory")),
			[]base{{"/cg/cpu,cpuacct", []string{"cpu", "cpuacct"}}, {"/cg/memory", []string{"memory"}}},
			"/cg", true,
		},
		"mounted twice": {
			mounts(v1("/cg/cpu,cpuacct", "cpu", "cpuacct"), v1("/bind/cpu", "cpu", "cpuacct")),
			[]base{{"/cg/cpu,cpuacct", []string{"cpu", "cpuacct"}}},
			"/cg", true,
		},
		"no cpuacct": {mounts(v1("/cg/cpu", "cpu")), []base{{"/cg/cpu", []string{"cpu"}}}, "", false},
		"hybrid without controllers": {
			mounts(v1("/cg/systemd", "name=systemd"), procfs.MountInfo{FSType: "cgroup2", MountPoint: "/cg/unified"}), nil, "", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := findV1(c.mounts)
			if ok != c.ok || got.mount != c.mount || got.v2 || got.own {
				t.Errorf("got %+v, %t, want mount %q, %t", got, ok, c.mount, c.ok)
			}
			if diff := cmp.Diff(c.want, got.bases, cmp.AllowUnexported(base{})); diff != "" {
				t.Errorf("bases (-want +got):\n%s", diff)
			}
		})
	}
}
