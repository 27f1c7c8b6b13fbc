package qos

import (
	"slices"
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
	if old > 0 {
		e.kills = slices.Clone(e.kills[old:])
	}
	for i := range e.kills {
		if e.kills[i].After(now) { // the clock was set back
			e.kills = slices.Clone(e.kills)
			for ; i < len(e.kills); i++ {
				e.kills[i] = now
			}
			break
		}
	}
	if !e.opened.IsZero() && len(e.kills) <= p.Budget.Kills/2 {
		e.opened = time.Time{}
	}
}

// resetBudget is an operator's order.
func (e *engine) resetBudget() { e.kills, e.opened = nil, time.Time{} }

// killsLeft is how many kills are left; none while the breaker is open.
func (e *engine) killsLeft(p *policy.Policy) int {
	if !e.opened.IsZero() {
		return 0
	}
	return max(0, p.Budget.Kills-len(e.kills))
}

// spend counts n kills at time now.
func (e *engine) spend(n int, now time.Time) {
	if n == 0 {
		return
	}
	e.kills = slices.Clone(e.kills)
	for range n {
		e.kills = append(e.kills, now)
	}
}

// trip opens the breaker: a kill was wanted and none is left.
func (e *engine) trip(now time.Time) {
	if e.opened.IsZero() {
		e.opened = now
	}
}

func (e *engine) budget(p *policy.Policy) BudgetState {
	return BudgetState{Left: e.killsLeft(p), Used: len(e.kills), OpenSince: e.opened}
}
