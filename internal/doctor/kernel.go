package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// one is a finding when it holds.
func one(holds bool, format string, args ...any) []string {
	if !holds {
		return nil
	}
	return []string{fmt.Sprintf(format, args...)}
}

// read is the text of a small kernel file, trimmed, "" when it cannot be read.
func read(path ...string) string {
	b, _ := os.ReadFile(filepath.Join(path...))
	return strings.TrimSpace(string(b))
}

func cgroupUnusable(h *Host) []string {
	return one(h.LayoutErr != nil, "cgroup_root %s: %v", h.Settings.CgroupRoot, h.LayoutErr)
}

// controllers are those that the daemon reads or throttles by.
var controllers = []string{"cpu", "cpuacct", "memory", "freezer"}

func controllerAbsent(h *Host) (found []string) {
	if h.LayoutErr != nil {
		return nil
	}
	for _, name := range controllers {
		at := h.Layout.Mount(name)
		if name == "freezer" {
			at = h.Layout.Freezer
		}
		if at == "" {
			found = append(found, fmt.Sprintf("controller %s is not below %s", name, h.Settings.CgroupRoot))
		}
	}
	return found
}

// agentRoot is the agent's root in the hierarchy of a controller, "" without one.
func (h *Host) agentRoot(controller string) string {
	if at := h.Layout.Mount(controller); h.LayoutErr == nil && at != "" {
		return filepath.Join(at, h.Settings.MesosCgroupsRoot)
	}
	return ""
}

func agentTreeAbsent(h *Host) []string {
	root := h.agentRoot("cpuacct")
	if root == "" {
		return nil
	}
	_, err := os.Stat(root)
	return one(err != nil, "%v", err)
}

func psiOff(h *Host) []string {
	path := filepath.Join(h.Settings.ProcRoot, "pressure", "cpu")
	text, err := os.ReadFile(path)
	switch {
	case err != nil: // EOPNOTSUPP: it is compiled in and off
		return []string{err.Error()}
	case !strings.Contains(string(text), "total="):
		return []string{path + " holds no totals"}
	}
	if root := h.agentRoot("cpu"); h.Layout.Mode == cgroup.V2 && root != "" {
		if _, err := os.Stat(root); err != nil {
			return nil
		}
		_, err := os.Stat(filepath.Join(root, "cpu.pressure"))
		return one(errors.Is(err, fs.ErrNotExist), "%s has no cpu.pressure: pressure of cgroups is off", root)
	}
	return nil
}

// daemonStatus is a field of the status file of the daemon's process, "" when that
// is not known.
func (h *Host) daemonStatus(field string) string {
	if h.Status == nil {
		return ""
	}
	for line := range strings.Lines(read(h.Settings.ProcRoot, strconv.Itoa(h.Status.Daemon.PID), "status")) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// daemonUID is the user that the daemon runs as, or who would start it.
func (h *Host) daemonUID() int {
	if uids := strings.Fields(h.daemonStatus("Uid")); len(uids) == 4 {
		if uid, err := strconv.Atoi(uids[1]); err == nil {
			return uid
		}
	}
	return h.UID
}

// hasCapability reports whether the daemon's process has a capability; one that
// does not run is taken to have those of root, if that is who examines.
func (h *Host) hasCapability(number uint) bool {
	set, err := strconv.ParseUint(h.daemonStatus("CapEff"), 16, 64)
	if err != nil {
		return h.UID == 0
	}
	return set>>number&1 == 1
}

func hidepid(h *Host) (found []string) {
	f, err := os.Open(filepath.Join(h.Settings.ProcRoot, "self", "mountinfo"))
	if err != nil {
		return nil
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("proc"))
	if err != nil || h.daemonUID() == 0 || h.hasCapability(unix.CAP_SYS_PTRACE) {
		return nil
	}
	for _, m := range mounts {
		for option := range strings.SplitSeq(m.VFSOptions, ",") {
			name, value, _ := strings.Cut(option, "=")
			if name == "hidepid" && value != "0" && value != "off" {
				found = append(found, fmt.Sprintf("%s is mounted with %s, and the daemon runs as user %d", m.Mountpoint, option, h.daemonUID()))
			}
		}
	}
	return found
}

// slowClocks are the kernel's clock sources that are read from a device.
var slowClocks = map[string]bool{"hpet": true, "acpi_pm": true, "jiffies": true, "refined-jiffies": true, "pit": true}

func clockSourceSlow(h *Host) []string {
	source := read(h.Sys, "devices/system/clocksource/clocksource0/current_clocksource")
	return one(slowClocks[source], "the clock source is %s", source)
}

func clockUnsynchronised(h *Host) []string {
	return one(h.Unsynchronised, "the kernel's clock is not synchronised")
}

func clockStepped(h *Host) []string {
	const start = time.Minute // a start may take some of it
	return one(h.Stepped.Abs() > start, "by %s", (-h.Stepped).Round(time.Second))
}

func notRoot(h *Host) []string {
	return one(h.UID != 0, "this is user %d", h.UID)
}

func throttleDenied(h *Host) (found []string) {
	if h.Status == nil || h.Policy == nil || h.hasCapability(unix.CAP_DAC_OVERRIDE) && h.daemonUID() == 0 {
		return readOnlyCgroups(h)
	}
	for _, name := range []string{"cpu", "memory"} {
		root := h.agentRoot(name)
		info, err := os.Stat(root)
		if root == "" || err != nil {
			continue
		}
		if owner := ownerOf(info); owner != h.daemonUID() && !h.hasCapability(unix.CAP_DAC_OVERRIDE) {
			found = append(found, fmt.Sprintf("%s belongs to user %d, and the daemon runs as user %d without CAP_DAC_OVERRIDE", root, owner, h.daemonUID()))
		}
	}
	return append(found, readOnlyCgroups(h)...)
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// readOnlyCgroups are hierarchies that are mounted read-only, as in a container.
func readOnlyCgroups(h *Host) (found []string) {
	for _, name := range []string{"cpu", "memory"} {
		var st unix.Statfs_t
		if at := h.Layout.Mount(name); at != "" && unix.Statfs(at, &st) == nil && st.Flags&unix.ST_RDONLY != 0 {
			found = append(found, at+" is mounted read-only")
		}
	}
	return found
}
