package qos

import (
	"strings"

	"github.com/estimatord/estimatord/snapshot"
)

// Kind names what a rule reads.
type Kind string

// The kinds of rules.
const (
	// CPU reads how busy the node's CPUs are.
	CPU Kind = "cpu"
	// Load reads the node's load averages.
	Load Kind = "load"
)

// kind is one row of the table. A new kind is one file, one row, one section
// in docs/policy.md and its cases.
type kind struct {
	name Kind
	// brief is the truth sentence that docs/policy.md repeats.
	brief string
	// arguments are the fields of Rule that only this kind takes, as they are
	// called in a policy file.
	arguments []string
	// defaults are the values of what a policy file leaves out.
	defaults Rule
	// protects: it acts for regular containers only, so without one it never
	// does.
	protects bool
	validate func(r *Rule, bad func(field, reason string))
	measure  func(r *Rule, v *view) reading
	// subject, limit and detail are the parts of the rule's sentence: what was
	// read, what it is compared with, and of what it is made.
	subject func(b []byte, r *Rule, v *view, m *reading) []byte
	limit   func(b []byte, r *Rule, m *reading) []byte
	detail  func(b []byte, r *Rule, v *view, m *reading) []byte
}

// reading is what a rule read at one tick.
type reading struct {
	// signal is absent when an input is.
	signal snapshot.Value
	// above is what it is compared with.
	above float64
	// exceeded: the rule's condition is true.
	exceeded bool
	// input names what signal was made from, or which input is absent.
	input string
	// load1 is the short load average, where a rule of kind load reads it.
	load1 float64
}

// kinds is the table; nothing writes to it.
var kinds = [...]kind{cpuKind, loadKind}

func kindOf(name Kind) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func kindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// Kinds are the kinds of rules, in the order of the table.
func Kinds() []Kind {
	names := make([]Kind, len(kinds))
	for i := range kinds {
		names[i] = kinds[i].name
	}
	return names
}

// Brief is the sentence that says when a rule of kind k is above its
// threshold, "" for an unknown kind.
func (k Kind) Brief() string {
	if row := kindOf(k); row != nil {
		return row.brief
	}
	return ""
}

// Arguments are the settings that only rules of kind k take.
func (k Kind) Arguments() []string {
	if row := kindOf(k); row != nil {
		return append([]string(nil), row.arguments...)
	}
	return nil
}

// Defaults is a rule of kind k with everything set that has a default; ok is
// false for an unknown kind.
func (k Kind) Defaults() (r Rule, ok bool) {
	row := kindOf(k)
	if row == nil {
		return Rule{}, false
	}
	return row.defaults, true
}
