// Package sim is a node of the imagination that closes the loop: what the
// ladder throttles and kills, and what the estimator offers, changes what the
// next tick reads. It is what the ladder's behaviour over minutes is proved on,
// and what the plots of docs/evidence/ladder.md are drawn from.
//
// The model, one step per second:
//
//   - The CPUs are shared by weight and without waste: each task group gets the
//     most that is fair (max-min), no more than it wants and no more than its
//     quota. Regular containers weigh 1024 per CPU and revocable ones 10 per CPU,
//     as the agent sets them (--revocable_cpu_low_priority); LowWeight is 2.
//   - A throttle is in force from the tick after the decision on.
//   - A kill is handed over after 0 to 10 s (the long poll), the container then
//     takes DeathLatency to disappear, uses what it can get until then, and no
//     throttle holds it back.
//   - A regular container waits for the share of its demand that it does not get,
//     and where more is wanted than there are CPUs, for a slice of those that run
//     just now: pressure = max(1 − used/wanted, slice·contention), where contention
//     is the share of what is wanted that is more than the CPUs.
//   - The agent reports every second. While it has a core to hand out, another
//     revocable task comes every JoinEvery.
//   - Load averages are those of the kernel (e^(−1 s/span)) over what is wanted.
//
// It is deterministic, and no test of how the kernel shares CPUs:
// docs/evidence/contention.md is measured on one.
package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
)

// Scenario is one story of a node.
type Scenario struct {
	// Name is a word; About says in a sentence what is shown.
	Name, About string
	// CPUs is the size of the node, Allocated what the regular service was given.
	CPUs, Allocated float64
	// Demand is what the regular service wants, in cores.
	Demand func(second int) float64
	// Hogs is how many revocable tasks run at the start, each of which was given
	// one CPU and wants HogWants.
	Hogs     int
	HogWants float64
	// HogWeight is their weight per CPU; 0: 10, as the agent sets it.
	HogWeight float64
	// Seconds is how long it takes.
	Seconds int
	// Policy is the ladder's.
	Policy qos.Policy
	// NoQuota: throttles have no effect, as where the agent owns the quota.
	NoQuota bool
	// Offers: the estimator's offer is handed out.
	Offers bool
}

const (
	// DeathLatency is how long a killed container takes to be gone.
	DeathLatency = 20 * time.Second
	// JoinEvery is the time between two revocable tasks that come.
	JoinEvery = 15 * time.Second
	// outside is what the system uses, in cores.
	outside = 0.05
	// slice is the share of time that a task waits, when it wakes, for those
	// that run, on a node on which twice as much is wanted as there is.
	slice = 0.2
	// regularWeight, hogWeight and lowWeight are those of cpu.shares.
	regularWeight, hogWeight, lowWeight = 1024.0, 10.0, 2.0
)

// begin is when every story begins.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Row is one second of a story.
type Row struct {
	Second int
	// Wanted and Used are the regular service's, Revocable what all revocable
	// containers use, in cores.
	Wanted, Used, Revocable float64
	// Hogs is how many revocable containers are there.
	Hogs int
	// Limit is what the throttled ones may use together, 0: no throttle.
	Limit float64
	// Gross is what is promised as revocable in all.
	Gross float64
	// Rung is where the CPU's ladder stands.
	Rung qos.Rung
	// Kills is how many were decided on, Joined whether one came.
	Kills  int
	Joined bool
	// Acted and StopOffering are those of the decision.
	Acted, StopOffering bool
}

// hog is one revocable task.
type hog struct {
	id      string
	since   time.Time
	quota   float64 // 0: none
	low     bool
	frozen  bool
	dies    time.Time // zero: nobody said so
	decided time.Time
	used    float64
}

type node struct {
	sc   *Scenario
	hogs []*hog
	born int
	load [3]float64
	used float64
	want float64
	// pressure is the last second's, stall the sum in µs, cpu the use in ns.
	pressure   float64
	stall, cpu uint64
}

// Run tells the story. Its Policy must be valid.
func Run(sc Scenario) ([]Row, error) {
	if err := sc.Policy.Validate(); err != nil {
		return nil, err
	}
	est, err := newEstimator()
	if err != nil {
		return nil, err
	}
	n := &node{sc: &sc}
	for range sc.Hogs {
		n.join(begin.Add(-time.Hour))
	}
	brain := tick.NewBrain(est, qos.State{})
	rows := make([]Row, 0, sc.Seconds)
	var actions qos.Actions
	lastJoin := begin
	for second := range sc.Seconds {
		now := begin.Add(time.Duration(second) * time.Second)
		n.bury(now)
		n.carryOut(actions)
		n.run(second)
		s := n.snapshot(now)
		s.Seq = uint64(second + 1)
		d, offer := brain.Think(&sc.Policy, &qos.Input{Snapshot: s, InFlight: n.inFlight()})
		actions = d.Actions
		row := Row{
			Second: second, Wanted: n.want, Used: n.used, Hogs: len(n.hogs),
			Limit: d.Ladders[qos.CPU].Limit, Rung: d.Ladders[qos.CPU].Rung, Kills: len(d.Kills), Acted: d.Acted, StopOffering: d.StopOffering,
		}
		for _, h := range n.hogs {
			row.Revocable += h.used
		}
		for _, v := range d.Kills {
			n.kill(v.Key().ID, now)
		}
		for i := range offer.Resources {
			if r := &offer.Resources[i]; r.Resource == resources.CPUs {
				row.Gross = r.RevocableTotal.Float()
				if sc.Offers && r.Offered >= resources.Unit && now.Sub(lastJoin) >= JoinEvery {
					n.join(now)
					lastJoin, row.Joined = now, true
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// newEstimator is mode usage as it is by default, but for the predictor: the
// default needs a day of history to promise anything; this one takes the highest
// use of the last minutes. The governor's times are a fifth of the defaults, so
// that stories are minutes long.
func newEstimator() (estimator.Estimator, error) {
	cfg := estimator.DefaultUsage()
	r := &cfg.Resources[0]
	r.Predictor, r.Shadows = "container-max", nil
	r.Peak.Window = 2 * time.Minute
	r.Governor.Hold = 2 * time.Minute
	r.Governor.HoldOff, r.Governor.HoldOffMax, r.Governor.HoldOffDecay = HoldOff, 12*time.Minute, 12*time.Minute
	return estimator.NewUsage(cfg)
}

// HoldOff is for how long, at least, nothing is offered again after an action.
const HoldOff = time.Minute

func (n *node) join(now time.Time) {
	n.born++
	n.hogs = append(n.hogs, &hog{id: fmt.Sprintf("hog-%03d", n.born), since: now})
}

// bury removes who is dead by now.
func (n *node) bury(now time.Time) {
	alive := n.hogs[:0]
	for _, h := range n.hogs {
		if h.dies.IsZero() || h.dies.After(now) {
			alive = append(alive, h)
		}
	}
	n.hogs = alive
}

// kill hands the kill over by the next of the agent's calls, which come every
// 10 s.
func (n *node) kill(id string, now time.Time) {
	for _, h := range n.hogs {
		if h.id == id && h.dies.IsZero() {
			call := 10*time.Second - now.Sub(begin)%(10*time.Second)
			h.decided, h.dies = now, now.Add(call%(10*time.Second)+DeathLatency)
		}
	}
}

func (n *node) inFlight() (out []qos.InFlight) {
	for _, h := range n.hogs {
		if !h.dies.IsZero() {
			out = append(out, qos.InFlight{Key: key(h.id), Since: h.decided})
		}
	}
	return out
}

func (n *node) carryOut(a qos.Actions) {
	for _, h := range n.hogs {
		h.quota, h.low, h.frozen = 0, false, false
		for _, t := range a.Throttles {
			if t.Victim.Key().ID == h.id && !n.sc.NoQuota {
				h.quota, h.low = t.Cores, t.LowWeight
			}
		}
		for _, f := range a.Freezes {
			h.frozen = h.frozen || f.Key().ID == h.id
		}
	}
}

// run is one second.
func (n *node) run(second int) {
	n.want = max(0, n.sc.Demand(second))
	groups := make([]group, 0, 1+len(n.hogs))
	groups = append(groups, group{want: n.want, weight: regularWeight * n.sc.Allocated})
	total := n.want
	for _, h := range n.hogs {
		g := group{want: n.sc.HogWants, weight: hogWeight}
		if n.sc.HogWeight > 0 {
			g.weight = n.sc.HogWeight
		}
		if h.low {
			g.weight = lowWeight
		}
		if h.quota > 0 {
			g.want = min(g.want, h.quota)
		}
		if h.frozen {
			g.want = 0
		}
		total += g.want
		groups = append(groups, g)
	}
	size := n.sc.CPUs - outside
	share(size, groups)
	n.used = groups[0].got
	for i, h := range n.hogs {
		h.used = groups[1+i].got
	}
	pressure := 0.0
	if n.want > 0 {
		pressure = max(1-n.used/n.want, slice*min(1, max(0, total/size-1)))
	}
	n.pressure = pressure
	n.stall += uint64(1e6 * pressure)
	n.cpu += uint64(1e9 * n.used)
	for i, span := range [...]float64{60, 300, 900} {
		keep := math.Exp(-1 / span)
		n.load[i] = n.load[i]*keep + total*(1-keep)
	}
}
