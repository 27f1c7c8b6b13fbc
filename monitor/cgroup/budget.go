package cgroup

import "github.com/estimatord/estimatord/internal/snapshot"

// A kept descriptor costs 4.4 KiB of kernel memory (0.3 KiB for the open file
// and a 4 KiB buffer after its first read), charged to the daemon's cgroup.

// balance decides which files are kept open, in the order of kinds: the
// essential ones up to MaxFiles, the others up to KeepFiles. A file that does
// not fit is opened when it is read.
func (t *Tree) balance() {
	used := 0
	for k := range numKinds {
		if t.specs[k].name == nil {
			continue
		}
		limit := t.cfg.KeepFiles
		if k.essential() {
			limit = t.cfg.MaxFiles
		}
		if !t.keep[k] {
			// Come back only with room to spare, so that a container more or
			// less does not open and close thousands of files.
			limit -= limit / 8
		}
		cost := len(t.sorted)
		if k == kindThrottle {
			cost = t.quotas
		}
		fits := used+cost <= limit
		if fits {
			used += cost
		}
		if t.keep[k] && !fits {
			for _, c := range t.sorted {
				t.closeFile(&c.files[k], snapshot.NotRead)
			}
		}
		t.keep[k] = fits
	}
	t.quotasMoved = false
}

// Unkept are the names of the files that are opened at each reading, because
// their descriptors would be too many.
func (t *Tree) Unkept() []string {
	var names []string
	for k, keep := range t.keep {
		if s := t.specs[k]; !keep && s.name != nil {
			names = append(names, s.name.String())
		}
	}
	return names
}

// earlyStats is how many readings of memory.stat one tick may do before their
// turn: half of the regular ones on top, so that no tick is a spike.
func earlyStats(containers, slowEvery int) int {
	return 4 + containers/(2*slowEvery)
}
