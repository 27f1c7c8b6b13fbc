package estimator

import "time"

// sameContention is the time between two actions within which they are against one
// squeeze: a ladder tightens every few seconds, and a node is not seven times as
// bad for being relieved in seven steps.
const sameContention = time.Minute

// holdOff is for how long nothing is raised after capacity was taken back:
//
//	n = max(0, n − ⌊time since the last squeeze / Decay⌋)
//	until = last action + min(Max, First·2ⁿ);  n = n + 1 with the next squeeze
//
// A node that is taken from again and again was promised too much each time; a
// single squeeze says little.
type holdOff struct {
	first, most, decay time.Duration

	n int
	// wait is that of the squeeze under way, last the time of its last action.
	wait  time.Duration
	last  time.Time
	until time.Time
}

// acted takes an action of time at.
func (h *holdOff) acted(at time.Time) {
	if h.first <= 0 {
		return
	}
	if quiet := at.Sub(h.last); h.wait == 0 || quiet >= sameContention {
		h.squeezed(quiet)
	}
	h.last = at
	if until := at.Add(h.wait); until.After(h.until) {
		h.until = until
	}
}

// squeezed begins a squeeze, so long after the last one.
func (h *holdOff) squeezed(quiet time.Duration) {
	if h.decay > 0 {
		h.n -= int(min(quiet/h.decay, time.Duration(h.n)))
	}
	h.wait = h.first
	for i := 0; i < h.n && h.wait < h.most; i++ {
		h.wait *= 2
	}
	h.wait = min(h.wait, max(h.first, h.most))
	if h.wait < h.most {
		h.n++
	}
}

// shift moves what is remembered by d, after the clock was set.
func (h *holdOff) shift(d time.Duration) {
	if !h.until.IsZero() {
		h.until, h.last = h.until.Add(d), h.last.Add(d)
	}
}
