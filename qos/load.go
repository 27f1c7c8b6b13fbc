package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// The load averages: how many tasks run or wait for a CPU or in
// uninterruptible sleep, averaged over 1, 5 and 15 minutes (/proc/loadavg,
// kernel/sched/loadavg.c).
//
// Two rules, of load5 and of load15, are Mesos's own LoadQoSController
// (src/slave/qos_controllers/load.cpp), whose parameters load_threshold_5min
// and load_threshold_15min are their `above`. Upstream kills every revocable
// executor at once when either is exceeded; here one goes at a time.
//
// A load average is a memory: of the load that a victim took away, load5 still
// shows e^(−t/300 s) after t, which is 82 % after a minute, and load15 94 %.
// load1 shows 37 % then. So a rule with `while: {signal: load1, ...}` stops as
// soon as the overload itself is over; Blue Yonder's module learnt the same (its
// 0.3.0: a long load counts only while the shorter ones exceed too).
var (
	load1  = loadSignal("load1", "1 minute", func(h *snapshot.Host) snapshot.Value { return h.Load1 })
	load5  = loadSignal("load5", "5 minutes", func(h *snapshot.Host) snapshot.Value { return h.Load5 })
	load15 = loadSignal("load15", "15 minutes", func(h *snapshot.Host) snapshot.Value { return h.Load15 })
)

// The load averages.
const (
	Load1  Signal = "load1"
	Load5  Signal = "load5"
	Load15 Signal = "load15"
)

// maxLoad: no more tasks than this can exist (PID_MAX_LIMIT,
// include/linux/threads.h), so a higher load average is no reading.
const maxLoad = 4 << 20

func loadSignal(name Signal, span string, of func(h *snapshot.Host) snapshot.Value) signal {
	return signal{
		name:     name,
		brief:    "Tasks that run or wait for a CPU or a disk, averaged over " + span + " (/proc/loadavg); with `per_cpu`, per CPU of the machine.",
		v1:       "the same",
		v2:       "the same",
		noPSI:    "the same",
		resource: CPU,
		unit:     number,
		most:     maxLoad,
		perCPU:   true,
		defaults: Rule{
			Signal: name,
			// A load average falls slowly, so a little below is clear enough.
			Clear: 0.9,
			// Upstream acts on the first reading; an average has waited long
			// enough.
			For: 0,
			// Of the victim's load, load1 has forgotten 63 % after a minute.
			Settle: time.Minute,
			Action: Kill,
		},
		measure: func(v *view, r *Rule) reading { return measureLoad(v, r, string(name), of(&v.s.Host)) },
		subject: loadSubject,
	}
}

func measureLoad(v *view, r *Rule, name string, load snapshot.Value) reading {
	per := 1.0
	if r.PerCPU {
		cpus, why := v.cpus()
		if why != snapshot.Present {
			return unknown(why, "the number of CPUs")
		}
		per = cpus
	}
	load = v.hostValue(load)
	switch {
	case !load.OK():
		return unknown(load.Why, name)
	case load.V > maxLoad:
		return unknown(snapshot.Malformed, name)
	}
	return reading{value: snapshot.ValueOf(load.V / per), input: name}
}

func loadSubject(b []byte, _ *view, r *Rule, m *reading) []byte {
	b = append(b, m.input...)
	if r.PerCPU {
		b = append(b, " per CPU"...)
	}
	b = append(b, ' ')
	return appendNumber(b, m.value.V, 2)
}
