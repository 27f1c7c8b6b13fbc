package estimator

import "time"

// holdOff is for how long nothing is raised after capacity was taken back:
//
//	n = max(0, n − ⌊time since the last action / Decay⌋)
//	until = action + min(Max, First·2ⁿ);  n = n + 1
//
// A node that is taken from again and again was promised too much of each
// time; a single action says little. Doubling is what kubelet's crash loops and
// every transport do with what keeps failing.
type holdOff struct {
	first, most, decay time.Duration

	n     int
	last  time.Time
	until time.Time
}

// acted takes an action of time at.
func (h *holdOff) acted(at time.Time) {
	if h.first <= 0 {
		return
	}
	if quiet := at.Sub(h.last); h.decay > 0 && quiet >= h.decay {
		h.n = max(0, h.n-int(min(quiet/h.decay, time.Duration(h.n))))
	}
	h.last = at
	wait := h.first
	for i := 0; i < h.n && wait < h.most; i++ {
		wait *= 2
	}
	wait = min(wait, max(h.first, h.most))
	if wait < h.most {
		h.n++
	}
	if until := at.Add(wait); until.After(h.until) {
		h.until = until
	}
}

// shift moves what is remembered by d, after the clock was set.
func (h *holdOff) shift(d time.Duration) {
	if !h.until.IsZero() {
		h.until, h.last = h.until.Add(d), h.last.Add(d)
	}
}
