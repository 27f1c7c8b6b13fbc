package throttle

import (
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

// held is one file that is, or may be, as we wrote it.
type held struct {
	// on: it stands in the journal.
	on bool
	// root and inode say which directory it is in.
	root  string
	inode uint64
	// base is what it held last that was not ours, and is given back.
	base string
	// ours is what we write, was what we wrote before that, "" if nothing.
	ours, was string
	// wrote: it held ours when it was last looked at.
	wrote bool
	// since is when it came into force.
	since time.Time
	// thawing is for freeze.
	thawing thawing
}

func (h *held) isOurs(value string) bool {
	return h.on && (value == h.ours || h.was != "" && value == h.was)
}

// sight is what one look at a file told.
type sight struct {
	file, value string
	freezing    bool
	// period is that of the v1 quota, usage what the leaf's memory is now; 0
	// where they do not matter or could not be read.
	period int64
	usage  uint64
}

// verdict is what is to be done about a file.
type verdict struct {
	why reason.Code
	// write is what to write, "" for nothing.
	write string
	// restore: that gives back the base.
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

// judge decides about one file from what is held of it, what it holds, and what
// is wanted. It is where all the rules are; it only changes h.
func judge(k kind, h *held, s sight, w want) verdict {
	var v verdict
	mine := h.isOurs(s.value)
	switch {
	case mine:
		h.wrote = true
	case !h.on:
		h.base = s.value
	default:
		v.overwritten = h.wrote
		if k == freeze && h.wrote {
			// An agent thaws what it destroys: freezing that again would keep
			// it from ending.
			*h = held{}
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
		v.journal = h.on
		*h = held{}
	case mine && s.value == target:
		h.ours, h.was = target, ""
		if s.freezing && s.file == "freezer.state" {
			v.write, v.again = target, true
		}
	default:
		h.was = ""
		if mine {
			h.was = s.value
		}
		h.on, h.ours = true, target
		v.write, v.journal = target, true
	}
	return v
}

// limit is what the file has to hold, "" where its base will do.
func limit(k kind, h *held, s sight, w want) (string, reason.Code) {
	if !w.of(k) {
		return "", Released
	}
	switch k {
	case weight:
		return limitWeight(s.file, h.base, w)
	case quota:
		if s.file == "cpu.max" {
			return limitMax(h.base, w.cores)
		}
		return limitQuota(h.base, s.period, w.cores)
	case memoryHigh:
		return limitMemory(h, s, w.memory)
	case freeze:
		frozen := "FROZEN"
		if s.file == "cgroup.freeze" {
			frozen = "1"
		}
		switch {
		case h.base == frozen:
			return "", FrozenByOther
		case s.freezing:
			return frozen, Freezing
		}
		return frozen, InForce
	}
	return "", Failed
}

func limitWeight(file, base string, w want) (string, reason.Code) {
	n, err := strconv.ParseUint(base, 10, 64)
	if err != nil {
		return "", Malformed
	}
	least, dying := uint64(leastShares), uint64(dyingShares)
	if file == "cpu.weight" {
		least, dying = leastWeight, dyingWeight
	}
	switch {
	case w.dying && n < dying:
		return strconv.FormatUint(dying, 10), Boosted
	case w.dying || n <= least:
		return "", NotNeeded
	}
	return strconv.FormatUint(least, 10), InForce
}

// limitQuota is for v1, where a quota of the agent's stands in the same file.
func limitQuota(base string, period int64, cores float64) (string, reason.Code) {
	if base != "-1" {
		return "", AgentOwnsQuota
	}
	micros, ok := quotaMicros(cores, period)
	if !ok {
		return "", NotNeeded
	}
	return strconv.FormatInt(micros, 10), InForce
}

// limitMax is for v2, where the agent's quota is in the directory above, and
// the kernel holds the leaf to both.
func limitMax(base string, cores float64) (string, reason.Code) {
	at, ok := parseCPUMax(base)
	if !ok {
		return "", Malformed
	}
	micros, ok := quotaMicros(cores, at.period)
	if !ok || at.quota <= micros {
		return "", NotNeeded
	}
	return strconv.FormatInt(micros, 10) + " " + strconv.FormatInt(at.period, 10), InForce
}

// memoryStep is how far below its use memory.high is set at once. Before Linux
// 6.16 the kernel reclaims all that is above within the write, and everywhere
// it holds the container's tasks up to 2 s at a time while they are above
// (mm/memcontrol.c, mem_cgroup_handle_over_high).
const memoryStep = 64 << 20

func limitMemory(h *held, s sight, asked uint64) (string, reason.Code) {
	base, ok := parseBytes(h.base)
	if !ok {
		return "", Malformed
	}
	asked = wholePages(asked)
	if base <= asked {
		return "", NotNeeded
	}
	now, ok := parseBytes(s.value)
	held := ok && h.wrote && now >= asked // it is on its way, or there
	if held && now == asked || s.usage <= memoryStep || s.usage-memoryStep <= asked {
		return strconv.FormatUint(asked, 10), InForce
	}
	next := min(wholePages(s.usage-memoryStep), base)
	if held {
		next = min(next, now) // never up again, should its use rise
	}
	return strconv.FormatUint(next, 10), Approaching
}
