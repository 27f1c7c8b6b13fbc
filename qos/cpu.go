package qos

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/snapshot"
)

// cpuKind: the share of the node's CPUs that is busy,
//
//	signal = busy / CPUs,  busy = regular + revocable + outside
//
// CPUs are those that can be used: fewer than the machine has under a cpuset or
// a quota, and busy is then the busy time of just those (snapshot.Host).
//
// where regular and revocable are the CPU use of the containers and outside is
// what is left of the host's busy time: the system, the agent, this daemon.
//
// busy is measured as one number, the host's own (/proc/stat), so a container
// whose reading is absent is in it all the same, as part of outside. The sum
// over containers never stands in for it: it misses the outside part, and it
// would let a rule act on a host that cannot be read.
//
// What regular containers want and do not get needs no term of its own here:
// a CPU-bound task that waits for a CPU waits because all of them are busy.
// (One that waits for its own quota is not this rule's business.)
var cpuKind = kind{
	name:      CPU,
	brief:     "Above while the node's CPUs, busy with regular containers, revocable containers and everything outside the containers together, are busy by more than the share `above`.",
	arguments: []string{"above"},
	defaults: Rule{
		Kind: CPU,
		// Heracles and Serenity stop offering at 0.85 to 0.95; a kill comes
		// later than that. Regular tasks lose CPU only where nothing is idle,
		// and 5 % of idle time is what a saturated node still shows between
		// wake-ups.
		Above: 0.95,
		// Five ticks: longer than a garbage collection or a compile burst,
		// shorter than the 15 s of the peers, whose signals are averages over
		// 10 s to start with.
		For: 5 * time.Second,
		// The rate is per tick, so a victim's relief is whole in the second
		// reading after it is gone; the rest is room for what takes its place.
		Settle: 5 * time.Second,
		Action: Kill,
	},
	protects: true,
	validate: validateCPU,
	measure:  measureCPU,
	subject:  cpuSubject,
	limit:    cpuLimit,
	detail:   cpuDetail,
}

func validateCPU(r *Rule, bad func(field, reason string)) {
	if !(r.Above > 0 && r.Above < 1) {
		bad("above", fmt.Sprintf("%v is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %%)", r.Above))
	}
	if r.Load1 != 0 || r.Load5 != 0 || r.Load15 != 0 || r.PerCPU {
		bad("kind", "load1, load5, load15 and per_cpu are settings of kind load")
	}
}

// plausibleBusy is how far above the number of CPUs the busy cores may read:
// the two samples behind the rate and the clock are not read in one instant.
// Beyond it the reading is wrong, and a wrong reading is no reading.
const plausibleBusy = 1.25

func measureCPU(r *Rule, v *view) reading {
	m := reading{above: r.Above}
	cpus, why := v.usableCPUs()
	if why != snapshot.Present {
		m.signal.Why, m.input = why, "the number of CPUs"
		return m
	}
	busy := v.hostValue(v.s.Host.BusyCores)
	if busy.OK() && busy.V > cpus*plausibleBusy {
		busy = snapshot.Value{Why: snapshot.Malformed}
	}
	if !busy.OK() {
		m.signal.Why, m.input = busy.Why, "the CPUs' busy time"
		return m
	}
	m.signal = snapshot.ValueOf(busy.V / cpus)
	m.exceeded = m.signal.V > r.Above
	return m
}

func cpuSubject(b []byte, _ *Rule, v *view, m *reading) []byte {
	b = appendNumber(b, v.s.Host.BusyCores.V, 2)
	b = append(b, " of "...)
	cpus, _ := v.usableCPUs()
	decimals := 0
	if cpus != math.Trunc(cpus) { // a quota
		decimals = 2
	}
	b = appendNumber(b, cpus, decimals)
	b = append(b, " CPUs busy ("...)
	b = appendPercent(b, m.signal.V)
	return append(b, ')')
}

func cpuLimit(b []byte, _ *Rule, m *reading) []byte { return appendPercent(b, m.above) }

func cpuDetail(b []byte, _ *Rule, v *view, _ *reading) []byte {
	b = append(b, "; regular "...)
	b = appendNumber(b, v.regularCores, 2)
	b = append(b, ", revocable "...)
	b = appendNumber(b, v.revocableCores, 2)
	b = append(b, ", outside "...)
	b = appendNumber(b, max(0, v.s.Host.BusyCores.V-v.regularCores-v.revocableCores), 2)
	if v.unread > 0 {
		b = append(b, " with "...)
		b = strconv.AppendInt(b, int64(v.unread), 10)
		b = append(b, " unreadable containers"...)
	}
	return b
}
