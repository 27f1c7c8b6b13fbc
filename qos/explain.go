package qos

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Sentence says for people what rule r of d read at time now, what that was
// compared with, and what follows.
func (d *Decision) Sentence(r *RuleState, now time.Time) string {
	return d.start(r, now) + d.rest(r)
}

// killSentence is Sentence of a rule that kills c.
func (d *Decision) killSentence(r *RuleState, now time.Time, c *Candidate) string {
	return d.start(r, now) + fmt.Sprintf("; killing %s (executor %s), which uses %s and was given %s",
		c.ID, c.ExecutorID, signal.Amount(c.Resource, c.Usage), signal.Amount(c.Resource, c.Usage-c.Over))
}

// start is what every sentence begins with: the rule, what it read and what that
// was compared with.
func (d *Decision) start(r *RuleState, now time.Time) string {
	text := r.Name + ": "
	sig := signal.Of(r.Signal)
	switch {
	case d.Blind != "":
		return text + "blind. " + d.Blind.Text()
	case r.Why == reason.NoSignal:
		return text + fmt.Sprintf("not on this host: %s (%s)", r.Input, r.Value.Why)
	case r.Why == reason.Blind || sig == nil:
		return text + fmt.Sprintf("blind, %s could not be read (%s)", r.Input, r.Value.Why)
	}
	text += sig.Sentence(&r.Reading)
	switch above := threshold(sig, r.Above); {
	case r.Value.V > r.Above:
		text += " above " + above
	case r.Active:
		text += fmt.Sprintf(", not above %s and not below %s", above, threshold(sig, r.Clear))
	default:
		text += ", not above " + above
	}
	if !r.Since.IsZero() {
		text += " for " + signal.Seconds(now.Sub(r.Since))
		if !r.Active {
			text += " of " + seconds(r.ForSeconds)
		}
	}
	if r.While != nil && !r.Exceeded && r.Value.V > r.Above {
		text += fmt.Sprintf(", but %s is not above %s", r.While.Signal, threshold(signal.Of(r.While.Signal), r.While.Above))
	}
	if sig.Detail != nil {
		text += sig.Detail(&r.Reading)
	}
	return text + d.uses(r)
}

// uses says who uses the CPU, after what depends on it.
func (d *Decision) uses(r *RuleState) (text string) {
	s := &d.Sums
	switch r.Signal {
	case signal.NodeCPU:
		text = fmt.Sprintf("; regular %.2f, revocable %.2f, outside %.2f",
			s.RegularCores, s.RevocableCores, max(0, r.Used-s.RegularCores-s.RevocableCores))
		if s.Unread > 0 {
			text += fmt.Sprintf(" with %d unreadable containers", s.Unread)
		}
		return text
	case signal.RegularCPUContention:
		text = fmt.Sprintf("; they use %.2f, revocable %.2f", s.RegularCores, s.RevocableCores)
	case signal.RegularCPUPressure, signal.RegularRunDelay:
	default:
		return ""
	}
	if s.UnreadRegular > 0 {
		text += fmt.Sprintf("; %d regular containers unreadable", s.UnreadRegular)
	}
	return text
}

// rest says what follows from what was read.
func (d *Decision) rest(r *RuleState) string {
	var l LadderState
	if sig := signal.Of(r.Signal); sig != nil && int(sig.Resource) < len(d.Ladders) {
		l = d.Ladders[sig.Resource]
	}
	switch r.Why {
	case reason.NoVictim:
		switch {
		case d.Sums.Revocable == 0:
			return "; no revocable container to take it from"
		case d.Sums.Regular == 0:
			return "; no regular container to take it for"
		}
		return "; none of the revocable containers may be taken"
	case reason.KillInFlight:
		return "; waiting for the last victim to be gone"
	case reason.Settling:
		return "; the last victim's relief may take another " + seconds(r.SettlesInSeconds)
	case reason.BudgetSpent:
		return "; the kill budget is spent"
	case reason.Climbing:
		return "; the ladder is at " + l.Rung.String()
	case reason.Throttled, reason.Frozen:
		if l.Limit > 0 {
			return "; revocable containers together may use " + signal.Amount(l.Resource, l.Limit)
		}
		return "; revocable containers have the least CPU weight"
	}
	return ""
}

func threshold(s *signal.Signal, x float64) string {
	if s != nil && s.Unit == policy.Share {
		return signal.Percent(x)
	}
	return fmt.Sprint(x)
}

func seconds(s float64) string { return signal.Seconds(time.Duration(s * float64(time.Second))) }
