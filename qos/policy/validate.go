package policy

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/printable"
)

// FieldError is one fault of a policy: where, in the notation of the policy file,
// and what.
type FieldError struct{ Path, Reason string }

// Error is "path: reason".
func (f *FieldError) Error() string { return f.Path + ": " + f.Reason }

// Is makes every FieldError an ErrPolicy.
func (f *FieldError) Is(target error) bool { return target == ErrPolicy }

// Validate returns every fault of p, joined; each is a *FieldError and an
// ErrPolicy. signals is the table of those that there are (package signal). A
// Policy does not change any more once it has passed.
func (p *Policy) Validate(signals Specs) error {
	var faults []error
	bad := func(path, reason string) { faults = append(faults, &FieldError{Path: path, Reason: reason}) }
	names := make(map[string]int, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		at := fmt.Sprintf("rules[%d]", i)
		r.validate(&p.Ladder, signals, func(field, reason string) { bad(at+"."+field, reason) })
		if first, twice := names[r.Name]; twice && r.Name != "" {
			bad(at+".name", fmt.Sprintf("%q is also the name of rules[%d]", r.Name, first))
		} else {
			names[r.Name] = i
		}
	}
	p.Ladder.validate(func(field, reason string) { bad("ladder."+field, reason) })
	p.Budget.validate(func(field, reason string) { bad("budget."+field, reason) })
	p.Victims.validate(func(field, reason string) { bad("victims."+field, reason) })
	if p.Fresh.Usage <= 0 {
		bad("fresh.usage", fmt.Sprintf("%s is not above zero", p.Fresh.Usage))
	}
	if p.Fresh.Sample <= 0 {
		bad("fresh.sample", fmt.Sprintf("%s is not above zero", p.Fresh.Sample))
	}
	if len(faults) == 0 {
		p.hashOf = nil
		p.hash, p.hashOf = p.Hash(), p
	}
	return errors.Join(faults...)
}

// Limits of what can be set.
const (
	// MaxWait bounds every time: a rule that waits for longer than a day was
	// meant otherwise.
	MaxWait = 24 * time.Hour
	// MaxFreeze: an executor that cannot answer for longer is given up by its
	// framework.
	MaxFreeze = 10 * time.Minute
	// MinCores is the least quota of the kernel, 1 ms in each 100 ms
	// (min_cfs_quota_period, kernel/sched/core.c).
	MinCores = 0.01
	// MaxCores: no machine has more.
	MaxCores = 1024
	// MaxKills bounds all counts of kills.
	MaxKills = 1000
)

func (r *Rule) validate(l *Ladder, signals Specs, bad func(field, reason string)) {
	if !isName(r.Name) {
		bad("name", printable.Quote(r.Name)+" is not a name: 1 to 63 letters, digits, - and _")
	}
	wait(bad, "for", r.For)
	wait(bad, "settle", r.Settle)
	switch {
	case r.Action < StopOffering || r.Action > Kill:
		bad("action", fmt.Sprintf("%q is not an action (known: %s)", r.Action, strings.Join(ActionNames(), ", ")))
	case r.Action == Freeze && l.FreezeFor == 0:
		bad("action", "freeze needs ladder.freeze_for above 0s")
	}
	s := signals.Of(r.Signal)
	if s == nil {
		bad("signal", fmt.Sprintf("%s is not a signal (known: %s)", printable.Quote(string(r.Signal)), signals.names()))
	} else {
		if s.threshold(bad, "above", r.Above) && !(r.Clear >= 0 && r.Clear <= r.Above) {
			bad("clear", fmt.Sprintf("%v is not between 0 and above, which is %v", r.Clear, r.Above))
		}
		if r.PerCPU && !s.PerCPU {
			bad("per_cpu", fmt.Sprintf("is no setting of signal %s", r.Signal))
		}
	}
	if r.While == (While{}) {
		return
	}
	if w := signals.Of(r.While.Signal); w == nil {
		bad("while.signal", fmt.Sprintf("%s is not a signal (known: %s)", printable.Quote(string(r.While.Signal)), signals.names()))
	} else {
		w.threshold(bad, "while.above", r.While.Above)
	}
}

// threshold reports whether x can be compared with readings of s.
func (s *Spec) threshold(bad func(field, reason string), field string, x float64) bool {
	switch {
	case x == 0:
		bad(field, fmt.Sprintf("is missing: signal %s has no default", s.Name))
	case s.Unit == Share && s.Most == 1 && !(x > 0 && x < 1):
		bad(field, fmt.Sprintf("%v is not above 0 and below 1 (0.95 is 95 %%)", x))
	case !(x > 0 && x <= s.Most):
		bad(field, fmt.Sprintf("%v is not above 0 and at most %v", x, s.Most))
	default:
		return true
	}
	return false
}

func (l *Ladder) validate(bad func(field, reason string)) {
	wait(bad, "dwell", l.Dwell)
	if !(l.FloorCores >= MinCores && l.FloorCores <= MaxCores) {
		bad("floor", fmt.Sprintf("%v is not between %v and %v cores", l.FloorCores, MinCores, MaxCores))
	}
	if !(l.Loosen >= 0.01 && l.Loosen <= 10) {
		bad("loosen", fmt.Sprintf("%v is not a share between 0.01 and 10", l.Loosen))
	}
	if l.FreezeFor < 0 || l.FreezeFor > MaxFreeze {
		bad("freeze_for", fmt.Sprintf("%s is not between 0s and %s", l.FreezeFor, MaxFreeze))
	}
	if l.KillsAtOnce < 1 || l.KillsAtOnce > MaxKills {
		bad("kills_at_once", fmt.Sprintf("%d is not between 1 and %d", l.KillsAtOnce, MaxKills))
	}
	if l.IgnoredAfter < time.Second || l.IgnoredAfter > MaxWait {
		bad("ignored_after", fmt.Sprintf("%s is not between 1s and 24h", l.IgnoredAfter))
	}
}

func (b *Budget) validate(bad func(field, reason string)) {
	if b.Kills < 1 || b.Kills > MaxKills {
		bad("kills", fmt.Sprintf("%d is not between 1 and %d", b.Kills, MaxKills))
	}
	if b.Per < time.Minute || b.Per > MaxWait {
		bad("per", fmt.Sprintf("%s is not between 1m and 24h", b.Per))
	}
}

func wait(bad func(field, reason string), field string, d time.Duration) {
	if d < 0 || d > MaxWait {
		bad(field, fmt.Sprintf("%s is not between 0s and 24h", d))
	}
}

// isName: it is the value of a metric's label and a word in logs.
func isName(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// finite reports whether v is a number that something can be compared with.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
