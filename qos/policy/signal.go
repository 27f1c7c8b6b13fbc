package policy

import "strings"

// Signal names what a rule reads.
type Signal string

// Spec is what a policy has to know of a signal, and what its page in
// docs/reference/signals.md says of it.
type Spec struct {
	Name Signal
	// Brief is one sentence with its unit and its source; V1, V2 and NoPSI say
	// what it reads on such hosts, "" for the same.
	Brief, V1, V2, NoPSI string
	// Resource is the one that is scarce when it is high: the ladder it belongs
	// to, and what victims are ranked by.
	Resource Resource
	// Unit is how its readings and thresholds are printed.
	Unit Unit
	// Most is the highest threshold that makes sense.
	Most float64
	// PerCPU: its readings may be divided by the number of CPUs.
	PerCPU bool
	// Default is a rule with all that a policy file may leave out; Clear is a
	// share of Above. An Above of 0 must be given.
	Default Rule
}

// Unit is what a signal is measured in.
type Unit uint8

// The units.
const (
	Number Unit = iota
	Share
)

// Rule is a rule of signal s with everything set that has a default.
func (s *Spec) Rule() Rule {
	r := s.Default
	r.Clear = s.ClearOf(r.Above)
	return r
}

// ClearOf is the level at which a rule that is above at `above` has cleared,
// where the policy does not say.
func (s *Spec) ClearOf(above float64) float64 { return s.Default.Clear * above }

// Limit is the highest threshold that makes sense; exclusive: the threshold must
// be below it.
func (s *Spec) Limit() (most float64, exclusive bool) {
	return s.Most, s.Unit == Share && s.Most == 1
}

// Specs is a table of signals.
type Specs []*Spec

// Of is the row of a signal, nil when there is none.
func (t Specs) Of(name Signal) *Spec {
	for _, s := range t {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Names are those of the signals, in the order of the table.
func (t Specs) Names() []string {
	names := make([]string, len(t))
	for i, s := range t {
		names[i] = string(s.Name)
	}
	return names
}

func (t Specs) names() string { return strings.Join(t.Names(), ", ") }
