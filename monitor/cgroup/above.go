package cgroup

import (
	"path/filepath"
	"strings"

	"github.com/estimatord/estimatord/internal/kernel"
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
	text, err := kernel.ReadAll(filepath.Join(procRoot, "self", "cgroup"))
	if err != nil {
		return ""
	}
	own := parseOwn(text, "cpuset")
	if own == "" {
		return ""
	}
	root := "/"
	if text, err := kernel.ReadAll(filepath.Join(procRoot, "self", "mountinfo")); err == nil {
		for _, m := range parseMountinfo(text) {
			if m.point == l.CPUSet {
				root = m.root
			}
		}
	}
	rel, ok := strings.CutPrefix(own, strings.TrimSuffix(root, "/"))
	if !ok || rel != "" && rel[0] != '/' || strings.HasPrefix(own, "/..") {
		return "" // what we are in is not below this mount
	}
	return filepath.Join(l.CPUSet, rel)
}

// parseOwn is the path of a v1 controller's cgroup in /proc/self/cgroup:
//
//	4:memory:/user.slice
//	3:cpu,cpuacct:/
//	0::/user.slice/session-1.scope
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#processes,
// man 7 cgroups. A path may hold a colon.
func parseOwn(file []byte, controller string) string {
	for line := range strings.Lines(string(file)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			continue
		}
		for name := range strings.SplitSeq(fields[1], ",") {
			if name == controller {
				return fields[2]
			}
		}
	}
	return ""
}
