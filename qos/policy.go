package qos

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrPolicy is the class of what Policy.Validate refuses.
var ErrPolicy = errors.New("invalid policy")

// Policy says when to take back, and from whom. It does not change once it is
// in use.
type Policy struct {
	// Rules are judged together each tick; when several have held, the first
	// one that may act does.
	Rules []Rule
	// Victims says which containers may be killed, and in which order.
	Victims Victims
	// Fresh limits how old an input may be.
	Fresh Fresh
}

// Rule is one condition and what is done about it.
type Rule struct {
	// Name is unique in its policy; logs and metrics carry it.
	Name string
	// Kind is a row of the table in kinds.go.
	Kind Kind
	// Above is the threshold of kind cpu: a share of the node's CPUs, 0 to 1.
	Above float64
	// Load1, Load5, Load15 are the thresholds of kind load; 0: not set.
	Load1, Load5, Load15 float64
	// PerCPU divides the load by the number of CPUs before it is compared.
	PerCPU bool
	// For is how long the reading must have been above without interruption.
	For time.Duration
	// Settle is how long after a victim is gone the rule takes no other: its
	// relief is not in the readings before.
	Settle time.Duration
	// Action is what is done.
	Action Action
}

// Action is what a rule does when it has held.
type Action string

// Kill ends one container, without grace: the agent knows no other way.
const Kill Action = "kill"

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
		r.validate(func(field, reason string) { bad(at+"."+field, reason) })
		if first, twice := names[r.Name]; twice && r.Name != "" {
			bad(at+".name", fmt.Sprintf("%q is also the name of rules[%d]", r.Name, first))
		} else {
			names[r.Name] = i
		}
	}
	p.Victims.validate(func(field, reason string) { bad("victims."+field, reason) })
	if p.Fresh.Usage <= 0 {
		bad("fresh.usage", fmt.Sprintf("%s is not above zero", p.Fresh.Usage))
	}
	if p.Fresh.Sample <= 0 {
		bad("fresh.sample", fmt.Sprintf("%s is not above zero", p.Fresh.Sample))
	}
	return errors.Join(faults...)
}

// maxWait bounds For and Settle: a rule that waits for longer than a day was
// meant otherwise.
const maxWait = 24 * time.Hour

func (r *Rule) validate(bad func(field, reason string)) {
	if !isName(r.Name) {
		bad("name", fmt.Sprintf("%q is not a name: 1 to 63 letters, digits, - and _", r.Name))
	}
	if r.For < 0 || r.For > maxWait {
		bad("for", fmt.Sprintf("%s is not between 0s and 24h", r.For))
	}
	if r.Settle < 0 || r.Settle > maxWait {
		bad("settle", fmt.Sprintf("%s is not between 0s and 24h", r.Settle))
	}
	if r.Action != Kill {
		bad("action", fmt.Sprintf("%q is not an action (known: %s)", r.Action, Kill))
	}
	k := kindOf(r.Kind)
	if k == nil {
		bad("kind", fmt.Sprintf("%q is not a kind (known: %s)", r.Kind, kindNames()))
		return
	}
	k.validate(r, bad)
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
