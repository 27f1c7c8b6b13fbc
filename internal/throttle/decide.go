package throttle

import (
	"fmt"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
)

// want is what one container is to have.
type want struct {
	cores  float64
	low    bool
	memory uint64
	frozen bool
	// dying: it was killed, and is to get whatever lets it end.
	dying bool
}

// of reports whether w asks anything of the kind.
func (w want) of(k kind) bool {
	switch k {
	case weight:
		return w.low || w.dying
	case quota:
		return w.cores > 0 && !w.dying
	case memoryHigh:
		return w.memory > 0 && !w.dying
	case freeze:
		return w.frozen && !w.dying
	}
	return false
}

// file is what is known of one control file.
type file struct {
	// applied: it is, or may be, as we wrote it, and the journal names it.
	applied bool
	// inode is that of the directory it is in.
	inode uint64
	// base is the last value in it that was not ours, and is restored.
	base string
	// ours is what we write, was what we wrote before that, "" if nothing.
	ours, was string
	// wrote: ours was in it when it was last read.
	wrote bool
	// since is when it was applied.
	since time.Time
	// stuck is for freeze.
	stuck stuckFreeze
}

func (f *file) isOurs(value string) bool {
	return f.applied && (value == f.ours || f.was != "" && value == f.was)
}

// reading is what reading a file told.
type reading struct {
	name, value string
	freezing    bool
	// period is that of the v1 quota, usage what the leaf's memory is now; 0
	// where they do not matter or could not be read.
	period uint64
	usage  uint64
}

// decision is what is to be done about a file.
type decision struct {
	why reason.Code
	// write is what to write, "" for nothing.
	write string
	// restore: that is the base.
	restore bool
	// again: nothing new is written, only asserted once more.
	again bool
	// overwritten: somebody had changed what we wrote.
	overwritten bool
	// journal: the journal has to be written before, or, when nothing is
	// written, sometime.
	journal bool
	// handOff, unless "", says why the freezer is not written from now on.
	handOff reason.Code
}

// decide decides about one file from what is known of it, what is in it, and
// what is wanted. It is where all the rules are; it only changes h.
func decide(k kind, h *file, s reading, w want) decision {
	var v decision
	mine := h.isOurs(s.value)
	switch {
	case mine:
		h.wrote = true
	case !h.applied:
		h.base = s.value
	default:
		v.overwritten = h.wrote
		if k == freeze && h.wrote {
			// An agent thaws what it destroys: freezing that again would keep
			// it from ending.
			*h = file{}
			v.why, v.handOff, v.journal = ThawedByOther, ThawedByOther, true
			return v
		}
		if s.value != h.base {
			h.base, v.journal = s.value, true
		}
		h.wrote = false
	}
	target, why := limit(k, h, s, w)
	v.why = why
	switch {
	case target == "" && mine:
		v.write, v.restore = h.base, true
	case target == "":
		v.journal = h.applied
		*h = file{}
	case mine && s.value == target:
		h.ours, h.was = target, ""
		if s.freezing && s.name == "freezer.state" {
			v.write, v.again = target, true
		}
	default:
		h.was = ""
		if mine {
			h.was = s.value
		}
		h.applied, h.ours = true, target
		v.write, v.journal = target, true
	}
	return v
}

// limit is what has to be in the file, "" where its base will do.
func limit(k kind, h *file, s reading, w want) (string, reason.Code) {
	if !w.of(k) {
		return "", Released
	}
	switch k {
	case weight:
		return limitWeight(s.name, h.base, w)
	case quota:
		if s.name == "cpu.max" {
			return limitMax(h.base, w.cores)
		}
		return limitQuota(h.base, s.period, w.cores)
	case memoryHigh:
		return limitMemory(h, s, w.memory)
	case freeze:
		frozen := "FROZEN"
		if s.name == "cgroup.freeze" {
			frozen = "1"
		}
		switch {
		case h.base == frozen:
			return "", FrozenByOther
		case s.freezing:
			return frozen, Freezing
		}
		return frozen, Applied
	}
	return "", Failed
}

func limitWeight(file, base string, w want) (string, reason.Code) {
	n, err := strconv.ParseUint(base, 10, 64)
	if err != nil {
		return "", Malformed
	}
	least, dying := weightsOf(file)
	switch {
	case w.dying && n < dying:
		return strconv.FormatUint(dying, 10), Boosted
	case w.dying || n <= least:
		return "", NotNeeded
	}
	return strconv.FormatUint(least, 10), Applied
}

// limitQuota is for v1, where a quota of the agent's stands in the same file.
func limitQuota(base string, period uint64, cores float64) (string, reason.Code) {
	if base != "-1" {
		return "", AgentOwnsQuota
	}
	micros, ok := quotaMicros(cores, period)
	if !ok {
		return "", NotNeeded
	}
	return strconv.FormatUint(micros, 10), Applied
}

// limitMax is for v2, where the agent's quota is in the directory above, and
// the kernel holds the leaf to both.
func limitMax(base string, cores float64) (string, reason.Code) {
	at, ok := parseCPUMax(base)
	if !ok {
		return "", Malformed
	}
	micros, ok := quotaMicros(cores, at.PeriodMicros)
	if !ok || at.Micros <= micros {
		return "", NotNeeded
	}
	return fmt.Sprintf("%d %d", micros, at.PeriodMicros), Applied
}

// memoryStep is how far below its use memory.high is set at once. Before Linux
// 6.16 the kernel reclaims all that is above within the write, and everywhere
// it holds the container's tasks up to 2 s at a time while they are above
// (mm/memcontrol.c, mem_cgroup_handle_over_high).
const memoryStep = 64 << 20

func limitMemory(h *file, s reading, asked uint64) (string, reason.Code) {
	base, ok := parseBytes(h.base)
	if !ok {
		return "", Malformed
	}
	asked = wholePages(asked)
	if base <= asked {
		return "", NotNeeded
	}
	now, ok := parseBytes(s.value)
	ours := ok && h.wrote && now >= asked // it is on its way, or there
	if ours && now == asked || s.usage <= memoryStep || s.usage-memoryStep <= asked {
		return strconv.FormatUint(asked, 10), Applied
	}
	next := min(wholePages(s.usage-memoryStep), base)
	if ours {
		next = min(next, now) // never up again, should its use rise
	}
	return strconv.FormatUint(next, 10), Approaching
}
