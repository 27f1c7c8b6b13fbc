package qos

import (
	"github.com/estimatord/estimatord/reason"
)

// say writes the sentence of a rule that has not held.
func (j *judgement) say() {
	b := j.start(j.room[:0])
	switch {
	case j.out.Why != reason.NoVictim:
	case j.view.revocable == 0:
		b = append(b, "; no revocable container to take it from"...)
	default:
		b = append(b, "; no regular container to take it for"...)
	}
	j.out.Text = string(b)
}

// saySettling writes the sentence of a rule that has held and may not act.
func (j *judgement) saySettling(st State) {
	b := j.start(j.room[:0])
	switch j.out.Why {
	case reason.KillInFlight:
		b = append(b, "; waiting for the last victim to be gone"...)
	case reason.Settling:
		b = append(b, "; the last victim's relief may take another "...)
		b = appendSeconds(b, st.settlesFor(j.rule))
	default:
		b = append(b, "; none of the revocable containers may be killed"...)
	}
	j.out.Text = string(b)
}

// sayVictim writes the sentence of a rule that kills w.
func (j *judgement) sayVictim(w *weighed) {
	b := j.start(j.room[:0])
	b = append(b, "; killing "...)
	b = append(b, w.ID...)
	b = append(b, " (executor "...)
	b = append(b, w.ExecutorID...)
	b = append(b, "), which uses "...)
	b = appendNumber(b, w.UsageCores, 2)
	b = append(b, " CPUs and was given "...)
	b = appendNumber(b, w.UsageCores-w.OverCores, 2)
	j.out.Text = string(b)
}

// start writes what every sentence begins with: the rule, what it read and
// what that was compared with.
func (j *judgement) start(b []byte) []byte {
	b = append(b, j.rule.Name...)
	b = append(b, ": "...)
	switch {
	case j.view.blind != "":
		b = append(b, "blind, "...)
		return append(b, j.view.blind...)
	case !j.m.signal.OK():
		b = append(b, "blind, "...)
		b = append(b, j.m.input...)
		b = append(b, " could not be read ("...)
		b = append(b, j.m.signal.Why.String()...)
		return append(b, ')')
	}
	b = j.kind.subject(b, j.rule, &j.view, &j.m)
	if j.m.signal.V > j.m.above {
		b = append(b, " above "...)
	} else {
		b = append(b, ", not above "...)
	}
	b = j.kind.limit(b, j.rule, &j.m)
	if !j.out.Since.IsZero() {
		b = append(b, " for "...)
		b = appendSeconds(b, j.view.s.At.Sub(j.out.Since))
		if !j.out.Held {
			b = append(b, " of "...)
			b = appendSeconds(b, j.rule.For)
		}
	}
	return j.kind.detail(b, j.rule, &j.view, &j.m)
}
