package qos

import (
	"time"

	"github.com/estimatord/estimatord/qos/policy"
)

// forgetKills drops the kills that are out of the budget's span, and closes the
// breaker when half of the budget is there again. Closing it at the first kill
// that is forgotten would let one kill through after the other, as if there
// were no breaker.
func (e *engine) forgetKills(p *policy.Policy, now time.Time) {
	old := 0
	for old < len(e.kills) && now.Sub(e.kills[old]) >= p.Budget.Per {
		old++
	}
	e.kills = e.kills[old:len(e.kills):len(e.kills)] // appending copies
	if !e.opened.IsZero() && len(e.kills) <= p.Budget.Kills/2 {
		e.opened = time.Time{}
	}
}

// resetBudget carries out an operator's command.
func (e *engine) resetBudget() { e.kills, e.opened = nil, time.Time{} }

// killsLeft is how many kills are left; none while the breaker is open.
func (e *engine) killsLeft(p *policy.Policy) int {
	if !e.opened.IsZero() {
		return 0
	}
	return max(0, p.Budget.Kills-len(e.kills))
}

// openBreaker is for when a kill was wanted and none is left.
func (e *engine) openBreaker(now time.Time) {
	if e.opened.IsZero() {
		e.opened = now
	}
}
