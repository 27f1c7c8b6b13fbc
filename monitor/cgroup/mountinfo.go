package cgroup

import (
	"bytes"
	"slices"
	"strings"
)

// /proc/self/mountinfo:
//
//	32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
//	41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
//
// Fields: id, parent, device, root, mount point, options, optional fields up to
// a lone "-", file system type, source, super options. Space, tab, newline and
// backslash in a path are written as octal escapes.
//
// https://docs.kernel.org/filesystems/proc.html (3.5), man 5 proc_pid_mountinfo

// mount is one cgroup mount.
type mount struct {
	point   string
	root    string // which directory of the file system is mounted there
	v2      bool
	options []string // super options; on v1 the controllers are among them
}

func (m mount) has(controller string) bool { return slices.Contains(m.options, controller) }

// parseMountinfo returns the cgroup mounts of a mountinfo file, in its order.
// Lines that are not what the kernel documents are skipped.
func parseMountinfo(file []byte) []mount {
	var mounts []mount
	for line := range bytes.Lines(file) {
		before, after, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " - ")
		if !ok {
			continue
		}
		// Super options may hold spaces, so at most three fields.
		tail := strings.SplitN(after, " ", 3)
		if len(tail) != 3 || (tail[0] != "cgroup" && tail[0] != "cgroup2") {
			continue
		}
		head := strings.Fields(before)
		if len(head) < 6 {
			continue
		}
		mounts = append(mounts, mount{
			point:   unescape(head[4]),
			root:    unescape(head[3]),
			v2:      tail[0] == "cgroup2",
			options: strings.Split(tail[2], ","),
		})
	}
	return mounts
}

// unescape undoes the kernel's octal escapes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '7' {
			return false
		}
	}
	return s[0] <= '3'
}
