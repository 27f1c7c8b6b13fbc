package qos

import (
	"github.com/estimatord/estimatord/internal/reason"
)

// say writes the rule's sentence, unless it has one already.
func (t *turn) say(j *judgement) {
	if j.out.Text == "" {
		j.out.Text = t.sentence(j, nil)
	}
}

// sentence is what a rule says for people: what was read and compared, and what
// follows; victim is the container that it kills, nil for none.
func (t *turn) sentence(j *judgement, victim *weighed) string {
	var room [256]byte
	b := t.start(j, room[:0])
	switch {
	case victim != nil:
		b = append(b, "; killing "...)
		b = append(b, victim.ID...)
		b = append(b, " (executor "...)
		b = append(b, victim.ExecutorID...)
		b = append(b, "), which uses "...)
		b = appendAmount(b, victim.Resource, victim.Usage)
		b = append(b, " and was given "...)
		b = appendAmount(b, victim.Resource, victim.Usage-victim.Over)
		if j.out.Text == "" {
			j.out.Text = string(b)
		}
	case j.out.Why == reason.NoVictim && t.v.revocable == 0:
		b = append(b, "; no revocable container to take it from"...)
	case j.out.Why == reason.NoVictim && t.v.regular == 0:
		b = append(b, "; no regular container to take it for"...)
	case j.out.Why == reason.NoVictim:
		b = append(b, "; none of the revocable containers may be taken"...)
	case j.out.Why == reason.KillInFlight:
		b = append(b, "; waiting for the last victim to be gone"...)
	case j.out.Why == reason.Settling:
		b = append(b, "; the last victim's relief may take another "...)
		b = appendSeconds(b, t.e.settlesFor(j.rule, t.v.s.At))
	case j.out.Why == reason.BudgetSpent:
		b = append(b, "; the kill budget is spent"...)
	case j.out.Why == reason.Climbing:
		b = append(b, "; the ladder is at "...)
		b = append(b, t.e.ladders[j.sig.resource].rung.String()...)
	case j.out.Why == reason.Throttled || j.out.Why == reason.Frozen:
		if l := &t.e.ladders[j.sig.resource]; l.limit > 0 {
			b = append(b, "; revocable containers together may use "...)
			b = appendAmount(b, j.sig.resource, l.limit)
		} else {
			b = append(b, "; revocable containers have the least CPU weight"...)
		}
	}
	return string(b)
}

// start writes what every sentence begins with: the rule, what it read and
// what that was compared with.
func (t *turn) start(j *judgement, b []byte) []byte {
	b = append(b, j.rule.Name...)
	b = append(b, ": "...)
	switch {
	case t.v.blind != "":
		b = append(b, "blind, "...)
		return append(b, t.v.blind...)
	case j.out.Why == reason.NoSignal:
		b = append(b, "not on this host: "...)
		b = append(b, j.m.input...)
		b = append(b, " ("...)
		b = append(b, j.out.Value.Why.String()...)
		return append(b, ')')
	case j.out.Why == reason.Blind:
		b = append(b, "blind, "...)
		b = append(b, j.m.input...)
		b = append(b, " could not be read ("...)
		b = append(b, j.out.Value.Why.String()...)
		return append(b, ')')
	}
	b = j.sig.subject(b, t.v, j.rule, &j.m)
	switch {
	case j.m.value.V > j.rule.Above:
		b = append(b, " above "...)
		b = j.sig.unit.append(b, j.rule.Above)
	case j.out.Active:
		b = append(b, ", not above "...)
		b = j.sig.unit.append(b, j.rule.Above)
		b = append(b, " and not below "...)
		b = j.sig.unit.append(b, j.rule.Clear)
	default:
		b = append(b, ", not above "...)
		b = j.sig.unit.append(b, j.rule.Above)
	}
	if !j.out.Since.IsZero() {
		b = append(b, " for "...)
		b = appendSeconds(b, t.v.s.At.Sub(j.out.Since))
		if !j.out.Active {
			b = append(b, " of "...)
			b = appendSeconds(b, j.rule.For)
		}
	}
	if w := j.rule.While; w != (While{}) && !j.out.Exceeded && j.m.value.V > j.rule.Above {
		b = append(b, ", but "...)
		b = append(b, w.Signal...)
		b = append(b, " is not above "...)
		b = signalOf(w.Signal).unit.append(b, w.Above)
	}
	if j.sig.detail != nil {
		b = j.sig.detail(b, t.v, j.rule, &j.m)
	}
	return b
}
