package qos

import (
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Signal names what a rule reads.
type Signal string

// signal is one row of the table. A new signal is one file, one row, one
// section in docs/reference/signals.md and its cases.
type signal struct {
	name Signal
	// brief is the one sentence with its unit and its source that
	// docs/reference/signals.md repeats; v1, v2 and noPSI say what it reads on such hosts.
	brief, v1, v2, noPSI string
	// resource is the one that is scarce when it is high: the ladder it belongs
	// to, and what victims are ranked by.
	resource Resource
	// unit is how its readings and thresholds are printed.
	unit unit
	// most is the highest threshold that makes sense.
	most float64
	// defaults are the values of what a policy file leaves out; Clear is a
	// share of Above. An Above of 0 must be given.
	defaults Rule
	// waits: it reads how regular containers wait for a CPU.
	waits bool
	// perCPU: its readings may be divided by the number of CPUs.
	perCPU bool
	// protects: it is about regular containers, so without one nobody has to
	// be protected.
	protects bool
	// measure reads it. What it returns as value is finite and not below zero,
	// or absent.
	measure func(v *view, r *Rule) reading
	// subject is the begin of the rule's sentence, what was read; detail, which
	// may be nil, what it is made of.
	subject func(b []byte, v *view, r *Rule, m *reading) []byte
	detail  func(b []byte, v *view, r *Rule, m *reading) []byte
}

// unit is how a reading is printed.
type unit uint8

const (
	number unit = iota
	share
)

func (u unit) append(b []byte, x float64) []byte {
	if u == share {
		return appendPercent(b, x)
	}
	return appendNumber(b, x, -1)
}

// reading is what a signal reads at one tick.
type reading struct {
	// value is absent when an input is: the signal is unknown, neither high nor
	// low.
	value snapshot.Value
	// missing is how much of the resource regular containers lack by this
	// reading (cores, or bytes of memory), when it tells; absent when it does
	// not. It is what a throttle or a kill has to bring.
	missing snapshot.Value
	// worst is the id of the container that it is about, "" when it is about
	// the node.
	worst string
	// input names what value was made from, or which input is absent.
	input string
}

// unknown is a reading that lacks input.
func unknown(why snapshot.Absence, input string) reading {
	return reading{value: snapshot.Value{Why: why}, input: input}
}

// signals is the table; nothing writes to it.
var signals = [...]signal{
	nodeCPU, regularCPUContention, regularCPUPressure, regularRunDelay, estimateBroken,
	nodeMemory, regularMemory, regularMemoryPressure,
	load1, load5, load15,
}

func signalOf(name Signal) *signal {
	for i := range signals {
		if signals[i].name == name {
			return &signals[i]
		}
	}
	return nil
}

// Signals are the names of the table, in its order.
func Signals() []Signal {
	names := make([]Signal, len(signals))
	for i := range signals {
		names[i] = signals[i].name
	}
	return names
}

func signalNames() string {
	var names []string
	for _, s := range Signals() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// Known reports whether s is in the table.
func (s Signal) Known() bool { return slices.Contains(Signals(), s) }

// Brief is the sentence that says what s is, "" when it is unknown.
func (s Signal) Brief() string {
	if row := signalOf(s); row != nil {
		return row.brief
	}
	return ""
}

// Hosts says what s reads on cgroup v1, on cgroup v2 and on a host without
// PSI.
func (s Signal) Hosts() (v1, v2, noPSI string) {
	if row := signalOf(s); row != nil {
		return row.v1, row.v2, row.noPSI
	}
	return "", "", ""
}

// Resource is what is scarce when s is high.
func (s Signal) Resource() Resource {
	if row := signalOf(s); row != nil {
		return row.resource
	}
	return CPU
}

// PerCPU reports whether readings of s may be divided by the number of CPUs.
func (s Signal) PerCPU() bool {
	row := signalOf(s)
	return row != nil && row.perCPU
}

// Defaults is a rule of signal s with everything set that has a default,
// except for Clear, which is ClearOf of Above.
func (s Signal) Defaults() (r Rule, ok bool) {
	row := signalOf(s)
	if row == nil {
		return Rule{}, false
	}
	r = row.defaults
	r.Clear = 0
	return r, true
}

// ClearOf is the level below which a rule of s that is above at `above` has
// cleared, where the policy does not say.
func (s Signal) ClearOf(above float64) float64 {
	if row := signalOf(s); row != nil {
		return row.defaults.Clear * above
	}
	return above
}
