package explain

import (
	"fmt"
	"slices"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/qos/policy"
)

// WhyNot is the answer to "why is it not killed".
type WhyNot struct {
	ID        string   `json:"id"`
	Executor  string   `json:"executor,omitzero"`
	Framework string   `json:"framework,omitzero"`
	Tasks     []string `json:"tasks,omitempty"`
	// At is the end of the log, Weighed when the container was weighed last.
	At      decision.Instant `json:"at"`
	Weighed decision.Instant `json:"weighed"`
	// Gone: a later weighing does not know it any more.
	Gone bool `json:"gone,omitzero"`
	// As is how it stands as a victim of each resource.
	As []Standing `json:"as"`
	// Why and Rules are what the rules say at the end of the log.
	Why   string              `json:"why"`
	Rules []decision.RuleLine `json:"rules"`
	// Killed: it is among the kills under way.
	Killed bool `json:"killed,omitzero"`
	// KilledAt is when it was last decided that it is killed, zero for never.
	KilledAt decision.Instant `json:"killed_at,omitzero"`

	limits decision.LimitsLine
}

// Standing is a container as a victim of one resource.
type Standing struct {
	decision.CandidateLine
	// Before are the containers that would be taken first.
	Before []string `json:"before,omitempty"`
}

// WhyNot explains why the container that name names is not killed.
func (l *Log) WhyNot(name string) (*WhyNot, error) {
	now := l.last()
	if now == nil {
		return nil, l.empty()
	}
	newest := l.last(`"weighed":true`)
	if newest == nil {
		if now.Policy == policy.NoHash {
			return nil, fmt.Errorf("%w of any weighing: there is no policy (%s), so nothing is ever killed", ErrNothing, reason.NoPolicy)
		}
		return nil, fmt.Errorf("%w of any weighing: the node could not be seen (%s)", ErrNothing, now.Why)
	}
	id, err := l.resolve(name)
	if err != nil {
		return nil, fmt.Errorf("%w; the last weighing was at %s, %s before: one that came later is not known yet",
			err, clock(newest.At), seconds(decision.Seconds(now.At-newest.At)))
	}
	w := &WhyNot{ID: id, At: now.At, Why: now.Why, Rules: now.Rules, limits: now.Limits}
	line := l.last(`"weighed":true`, `"id":"`+quoted(id)+`"`)
	w.Weighed, w.Gone = line.At, line.Seq != newest.Seq
	for i := range line.Eligible {
		e := &line.Eligible[i]
		if e.ID != id {
			continue
		}
		w.Executor, w.Framework, w.Tasks = e.Executor, e.Framework, e.Tasks
		s := Standing{CandidateLine: e.CandidateLine}
		if e.Why == string(reason.Eligible) {
			for _, o := range line.Eligible[:i] {
				if o.Resource == e.Resource {
					s.Before = append(s.Before, o.ID)
				}
			}
		}
		w.As = append(w.As, s)
	}
	for i := range now.InFlight {
		w.Killed = w.Killed || now.InFlight[i].ID == id
	}
	w.KilledAt = l.killedAt(id)
	return w, nil
}

// killedAt is when a kill of the container was last decided, and not only in
// shadow mode; zero for never.
func (l *Log) killedAt(id string) (at decision.Instant) {
	l.back(func(line *decision.Line) bool {
		if slices.ContainsFunc(line.Kills, func(v decision.VictimLine) bool { return v.ID == id }) {
			at = line.At
		}
		return at == 0
	}, `"kills":[`, `"id":"`+quoted(id)+`"`)
	return at
}

// Text is the answer for people.
func (w *WhyNot) Text() string {
	var p page
	p.say("", "%s", w.ID)
	if w.Executor != "" {
		p.say("  ", "executor %s of framework %s", w.Executor, w.Framework)
	}
	p.say("  ", "weighed last at %s, %s before the end of the log", clock(w.Weighed), seconds(decision.Seconds(w.At-w.Weighed)))
	if w.Gone {
		p.say("  ", "The weighing after that does not know it any more: it has ended.")
	}
	switch {
	case w.Killed:
		p.say("  ", "A kill of it is under way. %s", code(string(reason.AlreadyDying)))
	case w.KilledAt != 0:
		p.say("  ", "It was killed at %s; ask explain kill %s.", clock(w.KilledAt), w.ID)
	}
	p.blank()
	possible := false
	for i := range w.As {
		s := &w.As[i]
		if s.Why == string(reason.NotRevocable) {
			p.say("", "It is never killed. %s", code(s.Why))
			return p.String()
		}
		p.say("", "As a victim for %s: %s", s.Resource, code(s.Why))
		p.say("  ", "priority %d, uses %s, %s its allocation, %s old", s.Priority, amount(s.Resource, s.Usage), overOrUnder(s.Resource, s.Over), seconds(s.Age))
		switch reason.Code(s.Why) {
		case reason.TooYoung:
			p.say("  ", "min_age is %s", seconds(w.limits.MinAge))
		case reason.TooSmall:
			p.say("  ", "min_usage is %s", amount(policy.CPU.String(), w.limits.MinUsage))
		case reason.Eligible:
			possible = w.KilledAt == 0
			p.before(s)
		}
	}
	p.blank()
	if possible {
		p.say("", "It could be, and was not, because of what the rules say. %s", code(w.Why))
	} else {
		p.say("", "The rules say: %s", code(w.Why))
	}
	for i := range w.Rules {
		p.rule(&w.Rules[i])
	}
	return p.String()
}

// mostBefore is how many containers are named that would be taken first.
const mostBefore = 5

func (p *page) before(s *Standing) {
	if len(s.Before) == 0 {
		p.say("  ", "it would be the first")
		return
	}
	p.say("  ", "%d would be taken before it (%s), first:", len(s.Before), reason.NotFirst)
	for _, id := range s.Before[:min(mostBefore, len(s.Before))] {
		p.say("    ", "%s", id)
	}
}
