package qos

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/snapshot"
)

// loadKind: the rule of Mesos's own LoadQoSController
// (src/slave/qos_controllers/load.cpp), whose parameters
// load_threshold_5min and load_threshold_15min are load5 and load15 here.
// Upstream kills every revocable executor at once when either is exceeded;
// here one goes at a time.
//
// A load average is a memory: of the load that a victim took away, load5 still
// shows e^(−t/300 s) after t, which is 82 % after a minute, and load15 94 %.
// load1 shows 37 % then. So a rule with load1 set stops as soon as the overload
// itself is over; Blue Yonder's module learnt the same (its 0.3.0: a long load
// counts only while the shorter ones exceed too).
var loadKind = kind{
	name:      Load,
	brief:     "Above while load5 is above `load5` or load15 is above `load15`, and, where `load1` is set, load1 is above `load1` too.",
	arguments: []string{"load1", "load5", "load15", "per_cpu"},
	defaults: Rule{
		Kind: Load,
		// Upstream acts on the first reading; load5 has waited long enough.
		For: 0,
		// Of the victim's load, load1 has forgotten 63 % after a minute.
		Settle: time.Minute,
		Action: Kill,
	},
	validate: validateLoad,
	measure:  measureLoad,
	subject:  loadSubject,
	limit:    loadLimit,
	detail:   loadDetail,
}

// maxLoad: no more tasks than this can exist (PID_MAX_LIMIT,
// include/linux/threads.h), so a higher load average is no reading.
const maxLoad = 4 << 20

func validateLoad(r *Rule, bad func(field, reason string)) {
	if r.Above != 0 {
		bad("above", "is a setting of kind cpu; kind load has load5 and load15")
	}
	for _, t := range []struct {
		name string
		v    float64
	}{{"load1", r.Load1}, {"load5", r.Load5}, {"load15", r.Load15}} {
		if !(t.v >= 0 && t.v <= maxLoad) {
			bad(t.name, fmt.Sprintf("%v is not a load above 0", t.v))
		}
	}
	if r.Load5 == 0 && r.Load15 == 0 {
		bad("load5", "kind load needs load5, load15 or both")
	}
}

func measureLoad(r *Rule, v *view) reading {
	per := 1.0
	if r.PerCPU {
		cpus, why := v.cpus()
		if why != snapshot.Present {
			return reading{signal: snapshot.Value{Why: why}, input: "the number of CPUs"}
		}
		per = cpus
	}
	var m reading
	var gate bool
	for _, t := range [...]struct {
		name      string
		threshold float64
		load      snapshot.Value
		gates     bool
	}{
		{"load1", r.Load1, v.s.Host.Load1, true},
		{"load5", r.Load5, v.s.Host.Load5, false},
		{"load15", r.Load15, v.s.Host.Load15, false},
	} {
		if t.threshold == 0 {
			gate = gate || t.gates
			continue
		}
		load := v.hostValue(t.load)
		if load.OK() && load.V > maxLoad {
			load = snapshot.Value{Why: snapshot.Malformed}
		}
		if !load.OK() {
			return reading{signal: snapshot.Value{Why: load.Why}, above: t.threshold, input: t.name}
		}
		load.V /= per
		above := load.V > t.threshold
		if t.gates {
			gate, m.load1 = above, load.V
			continue
		}
		m.exceeded = m.exceeded || above
		// Shown is the one nearest to its threshold, or furthest above it.
		if m.input == "" || load.V/t.threshold > m.signal.V/m.above {
			m.signal, m.above, m.input = load, t.threshold, t.name
		}
	}
	m.exceeded = m.exceeded && gate
	return m
}

func loadSubject(b []byte, r *Rule, _ *view, m *reading) []byte {
	b = append(b, m.input...)
	b = append(b, perCPU(r)...)
	b = append(b, ' ')
	return appendNumber(b, m.signal.V, 2)
}

func loadDetail(b []byte, r *Rule, _ *view, m *reading) []byte {
	if r.Load1 == 0 {
		return b
	}
	b = append(b, "; load1"...)
	b = append(b, perCPU(r)...)
	b = append(b, ' ')
	b = appendNumber(b, m.load1, 2)
	if m.load1 > r.Load1 {
		b = append(b, " above "...)
	} else {
		b = append(b, " not above "...)
	}
	return appendNumber(b, r.Load1, -1)
}

func perCPU(r *Rule) string {
	if r.PerCPU {
		return " per CPU"
	}
	return ""
}

func loadLimit(b []byte, _ *Rule, m *reading) []byte { return appendNumber(b, m.above, -1) }
