package signal

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// The load averages: how many tasks run or wait for a CPU or in
// uninterruptible sleep, averaged over 1, 5 and 15 minutes (/proc/loadavg,
// kernel/sched/loadavg.c). Two rules, of load5 and of load15, are Mesos's own
// LoadQoSController (src/slave/qos_controllers/load.cpp), whose parameters
// load_threshold_5min and load_threshold_15min are their `above`.
var (
	load1  = loadSignal("load1", "1 minute", func(h *snapshot.Host) snapshot.Value { return h.Load1 })
	load5  = loadSignal("load5", "5 minutes", func(h *snapshot.Host) snapshot.Value { return h.Load5 })
	load15 = loadSignal("load15", "15 minutes", func(h *snapshot.Host) snapshot.Value { return h.Load15 })
)

// The load averages.
const (
	Load1  policy.Signal = "load1"
	Load5  policy.Signal = "load5"
	Load15 policy.Signal = "load15"
)

// maxLoad: no more tasks than this can exist (PID_MAX_LIMIT,
// include/linux/threads.h), so a higher load average is no reading.
const maxLoad = 4 << 20

func loadSignal(name policy.Signal, span string, of func(h *snapshot.Host) snapshot.Value) Signal {
	return Signal{
		Spec: policy.Spec{
			Name:     name,
			Brief:    "Tasks that run or wait for a CPU or a disk, averaged over " + span + " (/proc/loadavg); with `per_cpu`, per CPU of the machine.",
			Resource: policy.CPU,
			Unit:     policy.Number,
			Most:     maxLoad,
			PerCPU:   true,
			Default: policy.Rule{
				Signal: name,
				// A load average falls slowly, so a little below is clear enough.
				Clear: 0.9,
				// Upstream acts on the first reading; an average has waited long
				// enough.
				For: 0,
				// Of the victim's load, load1 has forgotten 63 % after a minute.
				Settle: time.Minute,
				Action: policy.Kill,
			},
		},
		measure: func(v *View, r *policy.Rule) Reading { return measureLoad(v, r, of(&v.Snapshot.Host)) },
		Sentence: func(m *Reading) string {
			if m.Total > 0 {
				return fmt.Sprintf("%s per CPU %.2f", name, m.Value.V)
			}
			return fmt.Sprintf("%s %.2f", name, m.Value.V)
		},
	}
}

func measureLoad(v *View, r *policy.Rule, load snapshot.Value) Reading {
	load = v.hostValue(load)
	switch {
	case !load.OK():
		return unknown(load.Why, string(r.Signal))
	case load.V > maxLoad:
		return unknown(snapshot.Impossible, string(r.Signal))
	case !r.PerCPU:
		return Reading{Value: load, Used: load.V}
	}
	cpus := v.Snapshot.Host.CPUs
	if cpus.OK() && cpus.N == 0 {
		cpus.Why = snapshot.Malformed
	}
	if !cpus.OK() {
		return unknown(cpus.Why, "the number of CPUs")
	}
	return Reading{Value: snapshot.ValueOf(load.V / float64(cpus.N)), Used: load.V, Total: float64(cpus.N)}
}
