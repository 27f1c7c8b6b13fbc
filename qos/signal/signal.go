// Package signal reads what the rules of a policy are judged by.
//
// A new signal is one file, one row of the table, one section in
// docs/reference/signals.md and its cases.
//
// Invariants:
//   - A signal with an absent input is absent, neither high nor low.
//   - A value is finite and not below zero.
//   - One pass over the containers (Look) serves all signals.
package signal

import (
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// Signal is one row of the table.
type Signal struct {
	policy.Spec
	// Waits: it reads how regular containers wait for a CPU.
	Waits bool
	// Protects: it is about regular containers, so without one nobody has to
	// be protected.
	Protects bool
	// measure reads it.
	measure func(v *View, r *policy.Rule) Reading
	// Sentence says in words what was read; Detail, which may be nil, the
	// condition under which it counts.
	Sentence func(m *Reading) string
	Detail   func(m *Reading) string
}

// Reading is what a signal reads at one tick.
type Reading struct {
	// Value is absent when an input is: the signal is unknown, neither high nor
	// low.
	Value snapshot.Value `json:"value,omitzero"`
	// Shortfall is how much of the resource regular containers lack by it (cores
	// or bytes), which is what a throttle or a kill has to bring; absent when the
	// signal does not tell.
	Shortfall snapshot.Value `json:"shortfall,omitzero"`
	// Container is the id of the one that it is about, "" when it is about the
	// node.
	Container string `json:"container,omitzero"`
	// Input is which input is absent, or where Value is from when it is not from
	// the tick's own sample.
	Input string `json:"input,omitzero"`
	// Used and Total are the two numbers that the signal documents, of Value or
	// of the condition under which it counts (cores or bytes).
	Used  float64 `json:"used,omitzero"`
	Total float64 `json:"total,omitzero"`
}

// unknown is a reading that lacks input.
func unknown(why snapshot.Absence, input string) Reading {
	return Reading{Value: snapshot.Value{Why: why}, Input: input}
}

// table is in the order of the docs; nothing writes to it.
var table = [...]Signal{
	nodeCPU, regularCPUContention, regularCPUPressure, regularRunDelay, predictionViolated, reservation,
	nodeMemory, regularMemory, regularMemoryPressure,
	load1, load5, load15,
}

// Of is the row of a signal, nil when there is none.
func Of(name policy.Signal) *Signal {
	for i := range table {
		if table[i].Name == name {
			return &table[i]
		}
	}
	return nil
}

// Specs is what a policy has to know of the signals.
func Specs() policy.Specs {
	specs := make(policy.Specs, len(table))
	for i := range table {
		specs[i] = &table[i].Spec
	}
	return specs
}

// Named is the reading of one signal.
type Named struct {
	Signal policy.Signal `json:"signal"`
	Reading
}

// ReadAll takes every signal's reading, at the threshold of its default, in the
// order of the table.
func (v *View) ReadAll() []Named {
	all := make([]Named, len(table))
	for i := range table {
		r := &table[i].Default
		all[i] = Named{r.Signal, v.Read(r)}
	}
	return all
}

// Read takes the rule's reading. A policy that has not passed Validate may name
// a signal that does not exist.
func (v *View) Read(r *policy.Rule) Reading {
	switch s := Of(r.Signal); {
	case s == nil:
		return unknown(snapshot.NotRead, "signal "+string(r.Signal))
	case v.Blind != "":
		return unknown(snapshot.NotRead, "")
	default:
		m := s.measure(v, r)
		m.Value, m.Shortfall = usable(m.Value), usable(m.Shortfall)
		return m
	}
}
