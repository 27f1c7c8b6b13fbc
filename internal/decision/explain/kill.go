package explain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
)

// Kill is the answer to "why was it killed".
type Kill struct {
	decision.VictimLine
	At  decision.Instant `json:"at"`
	Seq uint64           `json:"seq"`
	// Shadow: it was only decided, by rules in shadow mode, and not done.
	Shadow bool `json:"shadow,omitzero"`
	// By is the rule.
	By *decision.RuleLine `json:"by,omitempty"`
	// Candidates are all that were weighed, best victim first; More is how many
	// are not listed.
	Candidates []decision.CandidateLine `json:"candidates"`
	More       int                      `json:"candidates_more,omitzero"`
	Budget     decision.BudgetLine      `json:"budget"`
	Outcome    KillOutcome              `json:"outcome"`
	// Throttles are the changes of its throttle in the hour before, oldest
	// first.
	Throttles []Throttled `json:"throttles"`
}

// KillOutcome is what became of a kill.
type KillOutcome struct {
	// Gone: it is not under way any more; After is when that was seen, or, when it
	// is still under way, how long that has lasted at the end of the log.
	Gone  bool             `json:"gone"`
	After decision.Seconds `json:"after_s"`
	// Ignored: it lasted longer than a kill is waited for.
	Ignored bool `json:"ignored,omitzero"`
	// Unknown: the log does not go on.
	Unknown bool `json:"unknown,omitzero"`
}

// Throttled is a throttle from a time on.
type Throttled struct {
	At decision.Instant `json:"at"`
	decision.ThrottleLine
}

// killed are the containers in the log's kills that name names.
type kill struct {
	line   *decision.Line
	victim decision.VictimLine
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
	line, of := found.line, &found.line.DecidedLine
	if found.shadow {
		of = &line.Shadow.DecidedLine
	}
	k := &Kill{
		VictimLine: found.victim, At: line.At, Seq: line.Seq, Shadow: found.shadow,
		Candidates: of.Candidates, More: of.More, Budget: of.Budget,
	}
	for i := range of.Rules {
		if of.Rules[i].Name == k.Rule {
			k.By = &of.Rules[i]
		}
	}
	if !k.Shadow {
		k.Outcome = l.outcome(found)
	}
	k.Throttles = l.throttles(found)
	return k, nil
}

func (l *Log) lastKill(name string) (kill, error) {
	var ids []string
	newest := map[string]kill{}
	l.back(func(line *decision.Line) bool {
		collect := func(victims []decision.VictimLine, shadow bool) {
			for _, v := range victims {
				if _, known := newest[v.ID]; !known && matches(name, v.ID, v.Executor, nil) {
					ids = add(ids, v.ID)
					newest[v.ID] = kill{line: line, victim: v, shadow: shadow}
				}
			}
		}
		collect(line.Kills, false)
		if line.Shadow != nil {
			collect(line.Shadow.Kills, true)
		}
		return true
	}, `"kills":[`, quoted(name))
	id, err := oneOf(name, ids)
	return newest[id], err
}

// outcome looks for the kill among those under way at later ticks.
func (l *Log) outcome(k kill) (o KillOutcome) {
	o.Unknown = true
	var next *decision.Line // the line after the one that is visited
	l.back(func(line *decision.Line) bool {
		if line.Seq <= k.line.Seq || line.At < k.line.At {
			return false
		}
		i := slices.IndexFunc(line.InFlight, func(d decision.DyingLine) bool { return d.KeyLine == k.victim.KeyLine })
		if i < 0 {
			next = line
			return true
		}
		lasted := line.InFlight[i].Since
		o = KillOutcome{After: lasted, Ignored: lasted > line.Limits.IgnoredAfter}
		if next != nil {
			o.Gone, o.After = true, lasted+decision.Seconds(next.At-line.At)
		}
		return false
	})
	if o.Unknown && next != nil { // it was gone at the next tick
		o = KillOutcome{Gone: true, After: decision.Seconds(next.At - k.line.At)}
	}
	return o
}

// throttleSpan is how far back the throttles of a victim are told.
const throttleSpan = decision.Instant(time.Hour)

func (l *Log) throttles(k kill) (all []Throttled) {
	l.back(func(line *decision.Line) bool {
		if line.At > k.line.At || line.Seq > k.line.Seq && line.At == k.line.At {
			return true
		}
		if k.line.At-line.At > throttleSpan {
			return false
		}
		for _, t := range line.Throttles {
			if t.KeyLine == k.victim.KeyLine {
				all = append(all, Throttled{At: line.At, ThrottleLine: t})
			}
		}
		return true
	}, `"throttles":[`, quoted(k.victim.ID))
	slices.Reverse(all)
	return all
}

// overOrUnder says how far a candidate is from what it was allocated.
func overOrUnder(resource string, over float64) string {
	if over < 0 {
		return amount(resource, -over) + " below"
	}
	return amount(resource, over) + " above"
}

// Text is the answer for people.
func (k *Kill) Text() string {
	var p page
	what := "was killed"
	if k.Shadow {
		what = "would have been killed (shadow)"
	}
	p.say("", "%s %s at %s (tick %d)", k.ID, what, clock(k.At), k.Seq)
	p.say("  ", "executor %s of framework %s", k.Executor, k.Framework)
	p.blank()
	p.say("", "Rule %s", k.VictimLine.Text) // which begins with its name
	if r := k.By; r != nil {
		told := *r
		if told.Text == k.VictimLine.Text {
			told.Text = ""
		}
		p.rule(&told)
		if r.Since != nil {
			p.say("      ", "above for %s of %s", seconds(*r.Since), seconds(r.For))
		}
	}
	p.blank()
	p.say("", "Weighed, best victim first (lowest priority, most over its allocation, most relief, youngest, id):")
	for i := range k.Candidates {
		c := &k.Candidates[i]
		p.say("  "+fmt.Sprintf("%2d. ", i+1), "%s: priority %d, uses %s, %s its allocation, %s old. %s",
			c.ID, c.Priority, amount(c.Resource, c.Usage), overOrUnder(c.Resource, c.Over), seconds(c.Age), code(c.Why))
	}
	if k.More > 0 {
		p.say("      ", "and %d more", k.More)
	}
	p.say("", "%d kills are left in the budget after it.", k.Budget.Left)
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
			limit += ", to " + amount("cpus", t.Cores)
		}
		if t.MemoryHigh > 0 {
			limit += ", to " + amount("mem", float64(t.MemoryHigh))
		}
		p.say("  ", "%s%s; it used %s cores", clock(t.At), limit, value(t.Uses))
	}
	return p.String()
}

func (k *Kill) outcome() string {
	o := &k.Outcome
	ignored := ""
	if o.Ignored {
		ignored = ", longer than a kill is waited for (ignored)"
	}
	switch {
	case k.Shadow:
		return "nothing was done."
	case o.Unknown:
		return "unknown, the log ends there."
	case o.Gone:
		return fmt.Sprintf("it was gone %s later%s.", seconds(o.After), ignored)
	default:
		return fmt.Sprintf("still under way after %s%s, where the log ends.", seconds(o.After), ignored)
	}
}
