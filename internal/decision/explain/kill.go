package explain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// Killed is a kill in a line.
type Killed struct {
	qos.Identity
	// Tasks are those of its executor, where they are known.
	Tasks []snapshot.Task `json:"tasks,omitempty"`
	At    time.Time       `json:"at"`
	Run   string          `json:"run"`
	Seq   uint64          `json:"seq"`
	// Shadow: it was only decided, by rules in shadow mode, and not done.
	Shadow  bool        `json:"shadow,omitzero"`
	Outcome KillOutcome `json:"outcome"`
}

// Kill is the answer to "why was it killed".
type Kill struct {
	Killed
	// Decision is what the tick decided: the rules, who was weighed, the budget.
	// CandidatesMore is how many who were weighed are not listed.
	Decision       *qos.Decision `json:"decision"`
	CandidatesMore int           `json:"candidates_more,omitzero"`
	// Throttles are the changes of its throttle in the hour before, oldest
	// first.
	Throttles []Throttled `json:"throttles"`
}

// KillOutcome is what became of a kill.
type KillOutcome struct {
	// Gone: it is not under way any more; AfterSeconds is when that was seen, or,
	// when it is still under way, how long that has lasted at the end of the log.
	Gone         bool    `json:"gone"`
	AfterSeconds float64 `json:"after_s"`
	// Ignored: it lasted longer than a kill is waited for.
	Ignored bool `json:"ignored,omitzero"`
	// Unknown: the log does not go on, or only that of a later start of the daemon
	// does.
	Unknown bool `json:"unknown,omitzero"`
}

// Throttled is a throttle from a time on.
type Throttled struct {
	At time.Time `json:"at"`
	qos.Throttle
	UsedCores snapshot.Value `json:"used_cores,omitzero"`
}

// kill is one in the log.
type kill struct {
	at     decisionlog.Place
	record *decision.Record
	victim qos.Identity
	shadow bool
}

// Kill explains the last kill of the container that name names.
func (l *Log) Kill(name string) (*Kill, error) {
	found, err := l.lastKill(name)
	if errors.Is(err, ErrNothing) {
		id, resolved := l.resolve(name)
		if resolved != nil {
			return nil, fmt.Errorf("%w of a kill of %q", ErrNothing, name)
		}
		if found, err = l.lastKill(id); errors.Is(err, ErrNothing) {
			return nil, fmt.Errorf("%w of a kill of %s; ask why-not", ErrNothing, id)
		}
	}
	if err != nil {
		return nil, err
	}
	r := found.record
	k := newKill(r, found.victim, found.shadow)
	k.Tasks, k.Throttles = l.tasks(&found), l.throttles(&found)
	if !k.Shadow {
		k.Outcome = l.outcome(&found)
	}
	return k, nil
}

func newKill(r *decision.Record, victim qos.Identity, shadow bool) *Kill {
	d := r.QoS // a copy, so that an answer that is kept does not keep the record
	if shadow {
		d = r.QoS.Shadow.Decision
	}
	return &Kill{
		Killed:   Killed{Identity: victim, At: r.At, Run: r.Run, Seq: r.Seq, Shadow: shadow},
		Decision: &d, CandidatesMore: r.CandidatesMore,
	}
}

// KillsIn explains the kills of a record, as far as they are known at its tick.
func KillsIn(r *decision.Record) (kills []*Kill) {
	for i, v := range r.AllKills() {
		kills = append(kills, newKill(r, v, i >= len(r.QoS.Kills)))
	}
	return kills
}

// Newest is the last one of kills, which are in order of time, of the container
// that name names.
func Newest(kills []*Kill, name string) (*Kill, error) {
	var ids []string
	newest := map[string]*Kill{}
	for _, k := range kills {
		if matches(name, k.ID, k.ExecutorID, taskIDs(k.Tasks)) {
			ids = add(ids, k.ID)
			newest[k.ID] = k
		}
	}
	id, err := oneOf(name, ids)
	return newest[id], err
}

func taskIDs(tasks []snapshot.Task) (ids []string) {
	for i := range tasks {
		ids = append(ids, tasks[i].ID)
	}
	return ids
}

// lastKill looks for kills in the newest record that has one of that name.
func (l *Log) lastKill(name string) (kill, error) {
	var ids []string
	newest := map[string]kill{}
	l.back(decisionlog.Query{About: name, Kills: true}, func(at decisionlog.Place, r *decision.Record) bool {
		for i, v := range r.AllKills() {
			if _, known := newest[v.ID]; !known && matches(name, v.ID, v.ExecutorID, nil) {
				ids = add(ids, v.ID)
				newest[v.ID] = kill{at: at, record: r, victim: v, shadow: i >= len(r.QoS.Kills)}
			}
		}
		return true
	})
	id, err := oneOf(name, ids)
	return newest[id], err
}

// outcome follows the kill through the ticks behind it. Those of a later start
// of the daemon count when they still know of it; otherwise what became of it in
// between is unknown.
func (l *Log) outcome(k *kill) KillOutcome {
	ignoredAfter := l.policy(k.at, k.record).Ladder.IgnoredAfter.Seconds()
	out := KillOutcome{Unknown: true}
	knows := k.record.Run // the last start that knew of it
	for r := range l.reader.After(k.at) {
		if !l.until.IsZero() && r.At.After(l.until) {
			break
		}
		i := slices.IndexFunc(r.Dying, func(d decision.Dying) bool { return d.Key == k.victim.Key })
		switch {
		case i >= 0:
			knows = r.Run
			lasted := r.At.Sub(r.Dying[i].Since).Seconds()
			out = KillOutcome{AfterSeconds: lasted, Ignored: ignoredAfter > 0 && lasted > ignoredAfter}
		case r.Run != knows:
			out.Unknown = true
			return out
		default:
			out.Gone, out.Unknown = true, false
			out.AfterSeconds = r.At.Sub(k.record.At).Seconds()
			return out
		}
	}
	return out
}

// throttleSpan is how far back the throttles of a victim are told.
const throttleSpan = time.Hour

func (l *Log) throttles(k *kill) (all []Throttled) {
	q := decisionlog.Query{
		Before: k.at, Since: k.record.At.Add(-throttleSpan), Until: k.record.At,
		Texts: []string{`"throttles":[`, decisionlog.Quoted(k.victim.ID)},
	}
	l.back(q, func(_ decisionlog.Place, r *decision.Record) bool {
		for i := range r.QoS.Actions.Throttles {
			if t := &r.QoS.Actions.Throttles[i]; t.Victim.Identity().Key == k.victim.Key {
				told := Throttled{At: r.At, Throttle: *t}
				if i < len(r.ThrottleUsesCores) {
					told.UsedCores = r.ThrottleUsesCores[i]
				}
				all = append(all, told)
			}
		}
		return true
	})
	slices.Reverse(all)
	return all
}

// overOrUnder says how far a candidate is from what it was allocated.
func overOrUnder(r policy.Resource, over float64) string {
	if over < 0 {
		return amount(r, -over) + " below"
	}
	return amount(r, over) + " above"
}

// named is the name of a task where that is another one than its id.
func named(t snapshot.Task) string {
	if t.Name == "" || t.Name == t.ID {
		return ""
	}
	return " (" + t.Name + ")"
}

// By is the rule that killed, nil when it is not known.
func (k *Kill) By() *qos.RuleState {
	for i := range k.Decision.Rules {
		if r := &k.Decision.Rules[i]; r.Name == k.Rule {
			return r
		}
	}
	return nil
}

// Text is the answer for people.
func (k *Kill) Text() string {
	var p page
	what := "was killed"
	if k.Shadow {
		what = "would have been killed (shadow)"
	}
	p.say("", "%s %s at %s (tick %d)", k.ID, what, clock(k.At), k.Seq)
	p.say("  ", "executor %s of framework %s", k.ExecutorID, k.FrameworkID)
	for _, t := range k.Tasks {
		p.say("  ", "task %s%s", t.ID, named(t))
	}
	p.blank()
	p.say("", "Rule %s", k.Cause.Text) // which begins with its name
	if r := k.By(); r != nil {
		p.rule(k.Decision, r, k.At, k.Cause.Text)
		if !r.Since.IsZero() {
			p.say("      ", "above for %s of %s", seconds(k.At.Sub(r.Since).Seconds()), seconds(r.ForSeconds))
		}
	}
	p.blank()
	p.say("", "Weighed, best victim first (lowest priority, most over its allocation, most relief, youngest, id):")
	for i := range k.Decision.Candidates {
		c := &k.Decision.Candidates[i]
		p.say("  "+fmt.Sprintf("%2d. ", i+1), "%s (executor %s): priority %d, uses %s, %s its allocation, %s old. %s",
			c.ID, c.ExecutorID, c.Priority, amount(c.Resource, c.Usage), overOrUnder(c.Resource, c.Over), seconds(c.AgeSeconds), code(c.Why))
	}
	if k.CandidatesMore > 0 {
		p.say("      ", "and %d more", k.CandidatesMore)
	}
	p.say("", "%d kills are left in the budget after it.", k.Decision.Budget.Left)
	p.blank()
	p.say("", "What became of it: %s", k.outcome())
	p.blank()
	if len(k.Throttles) == 0 {
		p.say("", "It was not throttled in the hour before.")
		return p.String()
	}
	p.say("", "Throttled in the hour before:")
	for _, t := range k.Throttles {
		limit := ""
		if t.Cores > 0 {
			limit += ", to " + amount(policy.CPU, t.Cores)
		}
		if t.MemoryHighBytes > 0 {
			limit += ", to " + amount(policy.Memory, float64(t.MemoryHighBytes))
		}
		p.say("  ", "%s%s; it used %s cores", clock(t.At), limit, value(t.UsedCores))
	}
	return p.String()
}

func (k *Killed) outcome() string {
	o := &k.Outcome
	ignored := ""
	if o.Ignored {
		ignored = ", longer than a kill is waited for (ignored)"
	}
	switch {
	case k.Shadow:
		return "nothing was done."
	case o.Unknown && o.AfterSeconds > 0:
		return fmt.Sprintf("unknown, the daemon was started again when it had been under way for %s%s.", seconds(o.AfterSeconds), ignored)
	case o.Unknown:
		return "unknown, the log ends there, or the daemon was started again."
	case o.Gone:
		return fmt.Sprintf("it was gone %s later%s.", seconds(o.AfterSeconds), ignored)
	default:
		return fmt.Sprintf("still under way after %s%s, where the log ends.", seconds(o.AfterSeconds), ignored)
	}
}
