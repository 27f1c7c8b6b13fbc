package predict

import "time"

// paceWeight is the weight of a new interval in the usual one.
const paceWeight = 1.0 / 16

// pace is the usual time between steps, so that a daemon that samples more
// slowly for good is not taken for a blind one. It starts from the expected
// interval and never falls below it.
type pace struct{ interval, usual time.Duration }

// follow takes the time since the step before and returns what was usual until
// then; 0 when no interval is expected.
func (p *pace) follow(elapsed time.Duration) time.Duration {
	usual := max(p.usual, p.interval)
	if p.interval <= 0 {
		return 0
	}
	if elapsed > 0 {
		next := float64(usual) + paceWeight*float64(min(elapsed, 2*usual)-usual)
		p.usual = max(p.interval, time.Duration(next))
	}
	return usual
}
