package cgroup

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// Above are the directories from rel, which is relative to the hierarchy
// mounted at mount, up to mount itself.
func Above(mount, rel string) []string {
	var dirs []string
	for rel = filepath.Clean("/" + rel); ; rel = filepath.Dir(rel) {
		dirs = append(dirs, filepath.Join(mount, rel))
		if rel == "/" {
			return dirs
		}
	}
}

// OwnCPUSet is the directory of this process's own cpuset on v1, "" when it
// cannot be told. A hierarchy may be mounted from some cgroup of it on, which
// /proc/self/cgroup knows nothing of.
func (l Layout) OwnCPUSet(procRoot string) string {
	if l.CPUSet == "" || l.Mode == V2 {
		return ""
	}
	proc, err := procfs.NewFS(procRoot)
	if err != nil {
		return ""
	}
	self, err := proc.Self()
	if err != nil {
		return ""
	}
	cgroups, err := self.Cgroups()
	if err != nil {
		return ""
	}
	own := ""
	for _, c := range cgroups {
		if slices.Contains(c.Controllers, "cpuset") {
			own = c.Path
		}
	}
	root := "/"
	if mounts, err := cgroupMounts(procRoot); err == nil {
		for _, m := range mounts {
			if m.Mountpoint == l.CPUSet {
				root = m.Root
			}
		}
	}
	rel, ok := strings.CutPrefix(own, strings.TrimSuffix(root, "/"))
	if own == "" || !ok || rel != "" && rel[0] != '/' || strings.HasPrefix(own, "/..") {
		return "" // this process is not below this mount
	}
	return filepath.Join(l.CPUSet, rel)
}
