package qos

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// ErrPolicy is the class of what Policy.Validate refuses.
var ErrPolicy = errors.New("invalid policy")

// Policy says when to take back, and from whom. It does not change once it is
// in use.
type Policy struct {
	// Shadow: nothing is done. What would be done is decided and shown.
	Shadow bool
	// Rules are judged together each tick.
	Rules []Rule
	// Ladder says how the rungs are climbed and left.
	Ladder Ladder
	// Budget bounds the kills.
	Budget Budget
	// Victims says which containers may be killed, and in which order.
	Victims Victims
	// Fresh limits how old an input may be.
	Fresh Fresh
}

// Rule is one condition and what is done about it.
type Rule struct {
	// Name is unique in its policy; logs and metrics carry it.
	Name string
	// Signal is what is read, a row of the table in signal.go.
	Signal Signal
	// Above is the threshold, in the signal's unit. Clear is the level, not
	// above it, below which a rule that has held lets go; between the two
	// things stay as they are.
	Above, Clear float64
	// PerCPU divides the reading by the machine's number of CPUs first; for
	// load averages.
	PerCPU bool
	// While is a second condition: without it the reading counts as not above.
	// The zero While is no condition.
	While While
	// For is how long the reading must have been above without interruption.
	For time.Duration
	// Action is the highest rung that the rule asks for.
	Action Rung
	// Immediate: the action is taken at once when the rule has held, without
	// the rungs below it.
	Immediate bool
	// Settle is how long after a victim is gone the rule takes no other: its
	// relief is not in the readings before.
	Settle time.Duration
	// Shadow: what the rule would do is decided and shown, and not done.
	Shadow bool
}

// While is a condition of a rule beside its own.
type While struct {
	Signal Signal
	Above  float64
}

// Ladder says how the rungs are climbed and left.
type Ladder struct {
	// Dwell is how long nothing has asked for a rung before it is left, and the
	// time between two steps by which a throttle is loosened. Longer is calmer,
	// shorter gives back sooner.
	Dwell time.Duration
	// FloorCores is what each throttled container keeps at least, in cores. The
	// kernel's least is 0.01 (1 ms in each 100 ms).
	FloorCores float64
	// Loosen is by which share of itself a throttle is loosened at a step.
	Loosen float64
	// FreezeFor is the longest that a container is frozen; 0: none ever is, the
	// ladder has no such rung.
	FreezeFor time.Duration
	// KillsAtOnce is how many kills may be under way together; more than one
	// only where a rule's reading says that one does not bring enough.
	KillsAtOnce int
	// IgnoredAfter is how long a kill may be under way before it counts as
	// ignored: its container brings no relief, and no kill waits for it any
	// more.
	IgnoredAfter time.Duration
}

// DefaultLadder is what a policy file starts from.
func DefaultLadder() Ladder {
	return Ladder{
		// Crane restores after 3 good readings and koordlet after 10 s and more;
		// shorter than the 15 s after which the agent hears of it is of no use.
		Dwell: 10 * time.Second,
		// A process that gets 2 % of a CPU still answers its executor's
		// heartbeats.
		FloorCores: 0.02,
		// Twice as much in four steps.
		Loosen:      0.2,
		FreezeFor:   0,
		KillsAtOnce: 1,
		// Twice what an agent needs to hear of it (long poll, 10 s) and to
		// destroy a container (frozen and killed, up to 6 s measured).
		IgnoredAfter: 30 * time.Second,
	}
}

// Budget bounds the kills: when it is spent, a breaker opens: nothing is
// offered and nothing is killed any more until half of it is there again, or an
// operator resets it. Whoever needs more kills than that has another problem.
type Budget struct {
	// Kills is how many are allowed in Per.
	Kills int
	Per   time.Duration
}

// DefaultBudget is what a policy file starts from.
func DefaultBudget() Budget {
	// No peer has one. A kill each six minutes is about as often as an offer can
	// recover from the last one (hold_after_kill is 5 minutes).
	return Budget{Kills: 10, Per: time.Hour}
}

// Fresh limits how old an input may be. Something older is not an input: a
// rule that needs it is blind.
type Fresh struct {
	// Usage is the limit for the agent's report.
	Usage time.Duration
	// Sample is the limit for a reading of the host or of a container. It is
	// also the longest gap between two ticks that does not interrupt a rule.
	Sample time.Duration
}

// DefaultFresh is what the daemon starts from.
func DefaultFresh() Fresh {
	return Fresh{
		// Three of the agent's reports, which come every 15 s by default
		// (oversubscribed_resources_interval, src/slave/flags.cpp); the long
		// poll brings one every 10 s at the latest.
		Usage: 45 * time.Second,
		// Ten ticks: a node that was not looked at for 10 s has not been seen
		// (koordlet's limit for the same reading is 10 s as well).
		Sample: 10 * time.Second,
	}
}

// DefaultMinUsage is the default of Victims.MinUsage in a policy file: what an
// idle executor uses. Killing that relieves nothing.
const DefaultMinUsage = 0.05

// DefaultPolicy is a policy without rules, with everything else as a policy
// file starts from.
func DefaultPolicy() Policy {
	return Policy{
		Ladder: DefaultLadder(), Budget: DefaultBudget(),
		Victims: Victims{MinUsage: DefaultMinUsage}, Fresh: DefaultFresh(),
	}
}

// FieldError is one fault of a policy: where, in the notation of the policy file,
// and what.
type FieldError struct{ Path, Reason string }

// Error is "path: reason".
func (f *FieldError) Error() string { return f.Path + ": " + f.Reason }

// Is makes every FieldError an ErrPolicy.
func (f *FieldError) Is(target error) bool { return target == ErrPolicy }

// Validate returns every fault of p, joined; each is a *FieldError and an ErrPolicy.
func (p *Policy) Validate() error {
	var faults []error
	bad := func(path, reason string) { faults = append(faults, &FieldError{Path: path, Reason: reason}) }
	names := make(map[string]int, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		at := fmt.Sprintf("rules[%d]", i)
		r.validate(&p.Ladder, func(field, reason string) { bad(at+"."+field, reason) })
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
	return errors.Join(faults...)
}

// Limits of what can be set.
const (
	// maxWait bounds every time: a rule that waits for longer than a day was
	// meant otherwise.
	maxWait = 24 * time.Hour
	// maxFreeze: an executor that cannot answer for longer is given up by its
	// framework.
	maxFreeze = 10 * time.Minute
	// minCores is the least quota of the kernel, 1 ms in each 100 ms
	// (min_cfs_quota_period, kernel/sched/core.c).
	minCores = 0.01
	maxKills = 1000
)

func (r *Rule) validate(l *Ladder, bad func(field, reason string)) {
	if !isName(r.Name) {
		bad("name", fmt.Sprintf("%q is not a name: 1 to 63 letters, digits, - and _", r.Name))
	}
	wait(bad, "for", r.For)
	wait(bad, "settle", r.Settle)
	switch {
	case r.Action < StopOffering || r.Action > Kill:
		bad("action", fmt.Sprintf("%q is not an action (known: %s)", r.Action, strings.Join(actionNames(), ", ")))
	case r.Action == Freeze && l.FreezeFor == 0:
		bad("action", "freeze needs ladder.freeze_for above 0s")
	}
	s := signalOf(r.Signal)
	if s == nil {
		bad("signal", fmt.Sprintf("%q is not a signal (known: %s)", r.Signal, signalNames()))
	} else {
		if s.threshold(bad, "above", r.Above) && !(r.Clear >= 0 && r.Clear <= r.Above) {
			bad("clear", fmt.Sprintf("%v is not between 0 and above, which is %v", r.Clear, r.Above))
		}
		if r.PerCPU && !s.perCPU {
			bad("per_cpu", fmt.Sprintf("is no setting of signal %s", r.Signal))
		}
	}
	if r.While == (While{}) {
		return
	}
	if w := signalOf(r.While.Signal); w == nil {
		bad("while.signal", fmt.Sprintf("%q is not a signal (known: %s)", r.While.Signal, signalNames()))
	} else {
		w.threshold(bad, "while.above", r.While.Above)
	}
}

// threshold reports whether x can be compared with readings of s.
func (s *signal) threshold(bad func(field, reason string), field string, x float64) bool {
	switch {
	case x == 0:
		bad(field, fmt.Sprintf("is missing: signal %s has no default", s.name))
	case s.unit == share && s.most == 1 && !(x > 0 && x < 1):
		bad(field, fmt.Sprintf("%v is not above 0 and below 1 (0.95 is 95 %%)", x))
	case !(x > 0 && x <= s.most):
		bad(field, fmt.Sprintf("%v is not above 0 and at most %v", x, s.most))
	default:
		return true
	}
	return false
}

func (l *Ladder) validate(bad func(field, reason string)) {
	wait(bad, "dwell", l.Dwell)
	if !(l.FloorCores >= minCores && l.FloorCores <= 1024) {
		bad("floor", fmt.Sprintf("%v is not between %v and 1024 cores", l.FloorCores, minCores))
	}
	if !(l.Loosen >= 0.01 && l.Loosen <= 10) {
		bad("loosen", fmt.Sprintf("%v is not a share between 0.01 and 10", l.Loosen))
	}
	if l.FreezeFor < 0 || l.FreezeFor > maxFreeze {
		bad("freeze_for", fmt.Sprintf("%s is not between 0s and %s", l.FreezeFor, maxFreeze))
	}
	if l.KillsAtOnce < 1 || l.KillsAtOnce > maxKills {
		bad("kills_at_once", fmt.Sprintf("%d is not between 1 and %d", l.KillsAtOnce, maxKills))
	}
	if l.IgnoredAfter < time.Second || l.IgnoredAfter > maxWait {
		bad("ignored_after", fmt.Sprintf("%s is not between 1s and 24h", l.IgnoredAfter))
	}
}

func (b *Budget) validate(bad func(field, reason string)) {
	if b.Kills < 1 || b.Kills > maxKills {
		bad("kills", fmt.Sprintf("%d is not between 1 and %d", b.Kills, maxKills))
	}
	if b.Per < time.Minute || b.Per > maxWait {
		bad("per", fmt.Sprintf("%s is not between 1m and 24h", b.Per))
	}
}

func wait(bad func(field, reason string), field string, d time.Duration) {
	if d < 0 || d > maxWait {
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
