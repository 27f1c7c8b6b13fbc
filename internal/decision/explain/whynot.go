package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// WhyNot is the answer to "why is it not killed".
type WhyNot struct {
	ID        string   `json:"id"`
	Executor  string   `json:"executor_id,omitzero"`
	Framework string   `json:"framework_id,omitzero"`
	Tasks     []string `json:"tasks,omitempty"`
	// At is the end of the log, Weighed when the container was weighed last.
	At      time.Time `json:"at"`
	Weighed time.Time `json:"weighed"`
	// Gone: a later weighing does not know it any more.
	Gone bool `json:"gone,omitzero"`
	// As is how it stands as a victim of each resource.
	As []Standing `json:"as"`
	// Decision is what the rules say at the end of the log.
	Decision *qos.Decision `json:"decision"`
	// Killed: it is among the kills under way.
	Killed bool `json:"killed,omitzero"`
	// KilledAt is when it was last decided that it is killed, zero for never.
	KilledAt time.Time `json:"killed_at,omitzero"`

	victims policy.Victims
}

// Standing is a container as a victim of one resource.
type Standing struct {
	qos.Candidate
	// Before are the containers that would be taken first.
	Before []decision.Eligible `json:"before,omitempty"`
}

// WhyNot explains why the container that name names is not killed.
func (l *Log) WhyNot(name string) (*WhyNot, error) {
	now := l.last(decisionlog.Query{})
	if now == nil {
		return nil, l.empty()
	}
	newest := l.last(decisionlog.Query{Texts: []string{`"weighed":true`}})
	if newest == nil {
		if now.PolicyHash == policy.NoHash {
			return nil, fmt.Errorf("%w of any weighing: there is no policy (%s), so nothing is ever killed", ErrNothing, reason.NoPolicy)
		}
		return nil, fmt.Errorf("%w of any weighing: the node could not be seen (%s)", ErrNothing, now.QoS.Why)
	}
	id, err := l.resolve(name)
	if err != nil {
		return nil, fmt.Errorf("%w; the last weighing was at %s, %s before: one that came later is not known yet",
			err, clock(newest.At), seconds(now.At.Sub(newest.At).Seconds()))
	}
	weighed := l.last(decisionlog.Query{About: id})
	w := newWhyNot(id, weighed, now)
	w.Gone = weighed.Run != newest.Run || weighed.Seq != newest.Seq
	w.KilledAt = l.killedAt(id)
	return w, nil
}

// WhyNotIn explains why the container that name names is not killed, from the
// newest record that weighed all containers, nil for none, and the newest one.
func WhyNotIn(weighed, now *decision.Record, name string) (*WhyNot, error) {
	if weighed == nil {
		return nil, fmt.Errorf("%w of any weighing yet (%s)", ErrNothing, now.QoS.Why)
	}
	id, err := resolveIn(weighed, name)
	if err != nil {
		return nil, err
	}
	return newWhyNot(id, weighed, now), nil
}

func newWhyNot(id string, weighed, now *decision.Record) *WhyNot {
	w := &WhyNot{ID: id, At: now.At, Weighed: weighed.At, Decision: &now.QoS}
	if weighed.Policy != nil {
		w.victims = weighed.Policy.Victims
	}
	for i := range weighed.Eligible {
		e := &weighed.Eligible[i]
		if e.ID != id {
			continue
		}
		w.Executor, w.Framework, w.Tasks = e.ExecutorID, e.FrameworkID, e.Tasks
		s := Standing{Candidate: e.Candidate}
		if e.Why == reason.Eligible {
			for _, o := range weighed.Eligible[:i] {
				if o.Resource == e.Resource {
					s.Before = append(s.Before, o)
				}
			}
		}
		w.As = append(w.As, s)
	}
	w.Killed = slices.ContainsFunc(now.Dying, func(d decision.Dying) bool { return d.ID == id })
	return w
}

// killedAt is when a kill of the container was last decided, and not only in
// shadow mode; zero for never.
func (l *Log) killedAt(id string) (at time.Time) {
	l.back(decisionlog.Query{About: id, Kills: true}, func(_ decisionlog.Place, r *decision.Record) bool {
		if slices.ContainsFunc(r.QoS.Kills, func(v qos.Victim) bool { return v.Identity().ID == id }) {
			at = r.At
		}
		return at.IsZero()
	})
	return at
}

// Text is the answer for people.
func (w *WhyNot) Text() string {
	var p page
	p.say("", "%s", w.ID)
	if w.Executor != "" {
		p.say("  ", "executor %s of framework %s", w.Executor, w.Framework)
		for _, id := range w.Tasks {
			p.say("  ", "task %s", id)
		}
	}
	p.say("  ", "weighed last at %s, %s before the end of the log", clock(w.Weighed), seconds(w.At.Sub(w.Weighed).Seconds()))
	if w.Gone {
		p.say("  ", "The weighing after that does not know it any more: it has ended.")
	}
	switch {
	case w.Killed:
		p.say("  ", "A kill of it is under way. %s", code(reason.AlreadyDying))
	case !w.KilledAt.IsZero():
		p.say("  ", "It was killed at %s; ask explain kill %s.", clock(w.KilledAt), w.ID)
	}
	p.blank()
	possible := false
	for i := range w.As {
		s := &w.As[i]
		if s.Why == reason.NotRevocable {
			p.say("", "It is never killed. %s", code(s.Why))
			return p.String()
		}
		p.say("", "As a victim for %s: %s", s.Resource, code(s.Why))
		p.say("  ", "priority %d, uses %s, %s its allocation, %s old", s.Priority, amount(s.Resource, s.Usage), overOrUnder(s.Resource, s.Over), seconds(s.AgeSeconds))
		switch s.Why {
		case reason.TooYoung:
			p.say("  ", "min_age is %s", seconds(w.victims.MinAge.Seconds()))
		case reason.TooSmall:
			p.say("  ", "min_usage is %s", amount(policy.CPU, w.victims.MinUsage))
		case reason.Eligible:
			possible = w.KilledAt.IsZero()
			p.before(s)
		}
	}
	p.blank()
	if possible {
		p.say("", "It could be, and was not, because of what the rules say. %s", code(w.Decision.Why))
	} else {
		p.say("", "The rules say: %s", code(w.Decision.Why))
	}
	for i := range w.Decision.Rules {
		p.rule(w.Decision, &w.Decision.Rules[i], w.At, "")
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
	for _, b := range s.Before[:min(mostBefore, len(s.Before))] {
		tasks := ""
		if len(b.Tasks) > 0 {
			tasks = ", task " + strings.Join(b.Tasks, ", ")
		}
		p.say("    ", "%s (executor %s%s)", b.ID, b.ExecutorID, tasks)
	}
}
