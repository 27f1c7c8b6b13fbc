package policy

import (
	"errors"
	"fmt"
	"math"
	"regexp"
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

// faults collects those of the part of a policy that path names.
type faults struct {
	path string
	all  *[]error
}

// in is for a part of the part.
func (f faults) in(format string, args ...any) faults {
	return faults{path: f.path + fmt.Sprintf(format, args...), all: f.all}
}

// need adds the fault of a field unless ok.
func (f faults) need(ok bool, field, format string, args ...any) {
	if !ok {
		*f.all = append(*f.all, &FieldError{Path: f.path + field, Reason: fmt.Sprintf(format, args...)})
	}
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

// Validate returns every fault of p, joined; each is a *FieldError and an
// ErrPolicy. signals is the table of those that there are (package signal). A
// Policy does not change any more once it has passed.
func (p *Policy) Validate(signals Specs) error {
	var all []error
	f := faults{all: &all}
	names := make(map[string]int, len(p.Rules))
	for i := range p.Rules {
		r, at := &p.Rules[i], f.in("rules[%d].", i)
		r.validate(at, &p.Ladder, signals)
		first, twice := names[r.Name]
		at.need(!twice || r.Name == "", "name", "%q is also the name of rules[%d]", r.Name, first)
		if !twice {
			names[r.Name] = i
		}
	}
	p.Ladder.validate(f.in("ladder."))
	p.Budget.validate(f.in("budget."))
	p.Victims.validate(f.in("victims."))
	f.need(p.Fresh.Usage > 0, "fresh.usage", "%s is not above zero", p.Fresh.Usage)
	f.need(p.Fresh.Sample > 0, "fresh.sample", "%s is not above zero", p.Fresh.Sample)
	if len(all) == 0 {
		p.hashOf = nil
		p.hash, p.hashOf = p.Hash(), p
	}
	return errors.Join(all...)
}

// name is the form of a rule's: it is the value of a metric's label and a word in
// logs.
var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

func (r *Rule) validate(f faults, l *Ladder, signals Specs) {
	f.need(name.MatchString(r.Name), "name", "%s is not a name: 1 to 63 letters, digits, - and _", printable.Quote(r.Name))
	f.needWait("for", r.For)
	f.needWait("settle", r.Settle)
	f.need(r.Action >= StopOffering && r.Action <= Kill, "action", "%q is not an action (known: %s)", r.Action, strings.Join(ActionNames(), ", "))
	f.need(r.Action != Freeze || l.FreezeFor != 0, "action", "freeze needs ladder.freeze_for above 0s")
	const unknown = "%s is not a signal (known: %s)"
	if s := signals.Of(r.Signal); s == nil {
		f.need(false, "signal", unknown, printable.Quote(string(r.Signal)), signals.names())
	} else {
		clears := !s.needThreshold(f, r.Above) || r.Clear >= 0 && r.Clear <= r.Above
		f.need(clears, "clear", "%v is not between 0 and above, which is %v", r.Clear, r.Above)
		f.need(!r.PerCPU || s.PerCPU, "per_cpu", "is no setting of signal %s", r.Signal)
	}
	if r.While == (While{}) {
		return
	}
	f = f.in("while.")
	if s := signals.Of(r.While.Signal); s == nil {
		f.need(false, "signal", unknown, printable.Quote(string(r.While.Signal)), signals.names())
	} else {
		s.needThreshold(f, r.While.Above)
	}
}

// needThreshold reports whether x can be compared with readings of s.
func (s *Spec) needThreshold(f faults, x float64) bool {
	const field = "above"
	most, exclusive := s.Limit()
	ok := x > 0 && (x < most || x == most && !exclusive)
	switch {
	case x == 0:
		f.need(ok, field, "is missing: signal %s has no default", s.Name)
	case exclusive:
		f.need(ok, field, "%v is not above 0 and below 1 (0.95 is 95 %%)", x)
	default:
		f.need(ok, field, "%v is not above 0 and at most %v", x, most)
	}
	return ok
}

func (l *Ladder) validate(f faults) {
	f.needWait("dwell", l.Dwell)
	f.need(l.FloorCores >= MinCores && l.FloorCores <= MaxCores, "floor", "%v is not between %v and %v cores", l.FloorCores, MinCores, MaxCores)
	f.need(l.Loosen >= 0.01 && l.Loosen <= 10, "loosen", "%v is not a share between 0.01 and 10", l.Loosen)
	f.need(l.FreezeFor >= 0 && l.FreezeFor <= MaxFreeze, "freeze_for", "%s is not between 0s and %s", l.FreezeFor, MaxFreeze)
	f.need(l.KillsAtOnce >= 1 && l.KillsAtOnce <= MaxKills, "kills_at_once", "%d is not between 1 and %d", l.KillsAtOnce, MaxKills)
	f.need(l.IgnoredAfter >= time.Second && l.IgnoredAfter <= MaxWait, "ignored_after", "%s is not between 1s and 24h", l.IgnoredAfter)
}

func (b *Budget) validate(f faults) {
	f.need(b.Kills >= 1 && b.Kills <= MaxKills, "kills", "%d is not between 1 and %d", b.Kills, MaxKills)
	f.need(b.Per >= time.Minute && b.Per <= MaxWait, "per", "%s is not between 1m and 24h", b.Per)
}

func (v *Victims) validate(f faults) {
	f.needWait("min_age", v.MinAge)
	f.need(v.MinUsage >= 0 && !math.IsInf(v.MinUsage, 1), "min_usage", "%v is not a number of cores of at least 0", v.MinUsage)
	for _, list := range []struct {
		name  string
		words []string
		matcher
	}{{"frameworks", v.Protect.Frameworks, framework}, {"roles", v.Protect.Roles, role}, {"labels", v.Protect.Labels, label}} {
		for i, word := range list.words {
			f.in("protect.%s", list.name).needMatch(list.matcher, fmt.Sprintf("[%d]", i), word)
		}
	}
	for i := range v.Priorities {
		v.Priorities[i].validate(f.in("priorities[%d]", i))
	}
}

func (p *Priority) validate(f faults) {
	set := 0
	for _, m := range []struct {
		field, word string
		matcher
	}{{".framework", p.Framework, framework}, {".role", p.Role, role}, {".label", p.Label, label}} {
		if m.word != "" {
			set++
			f.needMatch(m.matcher, m.field, m.word)
		}
	}
	f.need(set == 1, "", "needs exactly one of framework, role and label")
}

func (f faults) needWait(field string, d time.Duration) {
	f.need(d >= 0 && d <= MaxWait, field, "%s is not between 0s and 24h", d)
}

func (f faults) needMatch(m matcher, field, word string) {
	why := neverMatches(m, word)
	f.need(why == "", field, "%s", why)
}
