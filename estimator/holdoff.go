package estimator

import "time"

// sameContention is the time between two actions within which they are against one
// contention: a ladder tightens every few seconds, and a node is not seven times
// as bad for being relieved in seven steps.
const sameContention = time.Minute

// holdOff is for how long nothing is raised after capacity was taken back:
//
//	n = max(0, n − ⌊time since the last contention / HoldOffDecay⌋)
//	until = last action + min(HoldOffMax, HoldOff·2ⁿ);  n = n + 1 with the next contention
//
// A node that is taken from again and again was promised too much each time; a
// single contention says little.
type holdOff struct {
	// Doubled is n.
	Doubled int `json:"doubled"`
	// Wait is that of the contention under way, Last the time of its last action.
	Wait  time.Duration `json:"wait_ns"`
	Last  time.Time     `json:"last,omitzero"`
	Until time.Time     `json:"until,omitzero"`
}

// acted takes an action of time at.
func (h *holdOff) acted(at time.Time, cfg *GovernorConfig) {
	if cfg.HoldOff <= 0 {
		return
	}
	if quiet := at.Sub(h.Last); h.Wait == 0 || quiet >= sameContention {
		h.contended(quiet, cfg)
	}
	h.Last = at
	if until := at.Add(h.Wait); until.After(h.Until) {
		h.Until = until
	}
}

// contended begins a contention, so long after the last one.
func (h *holdOff) contended(quiet time.Duration, cfg *GovernorConfig) {
	if cfg.HoldOffDecay > 0 {
		h.Doubled -= int(min(quiet/cfg.HoldOffDecay, time.Duration(h.Doubled)))
	}
	h.Wait = cfg.HoldOff
	for i := 0; i < h.Doubled && h.Wait < cfg.HoldOffMax; i++ {
		h.Wait *= 2
	}
	h.Wait = min(h.Wait, max(cfg.HoldOff, cfg.HoldOffMax))
	if h.Wait < cfg.HoldOffMax {
		h.Doubled++
	}
}
