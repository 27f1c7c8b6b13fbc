package qos

import (
	"slices"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// kill decides what a rule does whose ladder stands at the top: it waits for
// the kills under way, then for their relief to show, then it takes the first
// of the candidates, and more only where its reading says that one does not
// bring enough.
func (t *turn) kill(j *judgement) {
	room, credit := t.underWay(j.sig.Resource)
	settles := t.e.settlesFor(j.rule, t.now)
	j.out.SettlesInSeconds = settles.Seconds()
	ws := t.weighed[j.sig.Resource]
	shortfall := j.out.Shortfall
	switch {
	case room == 0, credit > 0 && !shortfall.OK(), shortfall.OK() && credit > 0 && credit >= shortfall.V:
		j.out.Why = reason.KillInFlight
		return
	case settles > 0:
		j.out.Why = reason.Settling
		return
	case !slices.ContainsFunc(ws, func(w *weighed) bool { return w.eligible() && !t.isChosen(w.Key) }):
		j.out.Why = reason.NoVictim
		return
	}
	left := t.e.killsLeft(t.p) - len(t.chosen)
	if left <= 0 {
		t.e.openBreaker(t.now)
		j.out.Why = reason.BudgetSpent
		return
	}
	j.out.Why = reason.Preempt
	most := min(room, left)
	if !shortfall.OK() {
		most = 1
	}
	for _, w := range ws {
		if most == 0 || !w.eligible() || credit > 0 && credit >= shortfall.V {
			break
		}
		if t.isChosen(w.Key) {
			continue // another rule has taken it at this tick
		}
		victim, err := NewVictim(w.c, Cause{Rule: j.rule.Name, Text: t.d.killSentence(j.out, t.v.Snapshot.At, &w.Candidate)})
		if err != nil {
			continue // weigh has asked before, so this is not reached
		}
		t.d.Kills = append(t.d.Kills, victim)
		t.chosen = append(t.chosen, w)
		credit += max(w.Usage, tiny)
		most--
	}
}

// tiny is a credit that is not nothing.
const tiny = 1e-9

// underWay is how many kills there is room for beside those under way, and how
// much of res the latter will bring. One that is ignored for too long brings
// nothing and takes no room.
func (t *turn) underWay(res policy.Resource) (room int, credit float64) {
	room = t.p.Ladder.KillsAtOnce - len(t.chosen)
	for _, w := range t.chosen {
		credit += max(tiny, t.useOf(w.Key, res))
	}
	for i := range t.e.dying {
		if f := &t.e.dying[i]; !t.isIgnored(f) {
			room--
			credit += max(tiny, t.useOf(f.Key, res))
		}
	}
	return max(0, room), credit
}

// isIgnored reports whether a kill is under way for too long: its container
// lives, and is treated like any other.
func (t *turn) isIgnored(f *InFlight) bool { return t.now.Sub(f.Since) > t.p.Ladder.IgnoredAfter }

// isDying reports whether k is on its way to its end, so that nothing may slow
// it: a container that is throttled takes long to die.
func (t *turn) isDying(k snapshot.Key) bool {
	return slices.ContainsFunc(t.e.dying, func(f InFlight) bool { return f.Key == k && !t.isIgnored(&f) })
}

// isInFlight reports whether a kill of k is under way, ignored or not.
func isInFlight(all []InFlight, k snapshot.Key) bool {
	return slices.ContainsFunc(all, func(f InFlight) bool { return f.Key == k })
}

// useOf is what the container uses of res, 0 when that is not known.
func (t *turn) useOf(k snapshot.Key, res policy.Resource) float64 {
	c := t.v.Snapshot.Find(k)
	if c == nil {
		return 0
	}
	return t.v.Use(c, res).V
}

// conclude tells each container that may be killed what became of it: chosen,
// after the chosen ones, or the reason why nothing was taken.
func (t *turn) conclude() []Candidate {
	var out []Candidate
	for _, ws := range t.weighed {
		for _, w := range ws {
			c := w.Candidate
			if w.eligible() {
				switch {
				case t.isChosen(w.Key):
					c.Why = reason.Chosen
				case len(t.chosen) > 0:
					c.Why = reason.NotFirst
				default:
					c.Why = t.d.Why
				}
			}
			out = append(out, c)
		}
	}
	return out
}

func (t *turn) isChosen(k snapshot.Key) bool {
	return slices.ContainsFunc(t.chosen, func(w *weighed) bool { return w.Key == k })
}
