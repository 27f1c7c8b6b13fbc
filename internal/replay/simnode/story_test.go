package simnode

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Scenario is one story of a node: one regular service and revocable tasks, one
// tick per second. A kill is handed over after 0 to 10 s (the long poll), and
// takes DeathLatency from then on. While the agent has a core to hand out,
// another task comes every JoinEvery.
type Scenario struct {
	// Name is a word; About says in a sentence what is shown.
	Name, About string
	// CPUs is the size of the node, Allocated what the regular service was given.
	CPUs, Allocated float64
	// Demand is what the regular service wants, in cores.
	Demand func(second int) float64
	// Tasks is how many revocable tasks run at the start, each of which was given
	// one CPU and wants TaskWants.
	Tasks     int
	TaskWants float64
	// TaskWeight is their weight per CPU; 0: 10, as the agent sets it
	// (--revocable_cpu_low_priority).
	TaskWeight float64
	// Seconds is how long it takes.
	Seconds int
	// Policy is the ladder's.
	Policy policy.Policy
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
	// slice is Node.Slice.
	slice = 0.2
	// callEvery is the time between two of the agent's calls for kills.
	callEvery = 10 * time.Second
	// regularWeight and revocableWeight are cpu.shares for each CPU, as the
	// agent sets them.
	regularWeight, revocableWeight = 1024.0, 10.0
)

// begin is when every story begins.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Row is one second of a story.
type Row struct {
	Second int
	// Wanted and Used are the regular service's, Revocable what all revocable
	// containers use, in cores.
	Wanted, Used, Revocable float64
	// Tasks is how many revocable containers are there.
	Tasks int
	// Limit is what the throttled ones may use together, 0: no throttle.
	Limit float64
	// RevocableTotal is what may exist as revocable in all, in cores.
	RevocableTotal float64
	// Rung is where the CPU's ladder stands.
	Rung policy.Rung
	// Kills is how many were decided on, Joined whether one came.
	Kills  int
	Joined bool
	// Acted and StopOffering are those of the decision.
	Acted, StopOffering bool
}

// story is a node on which a scenario is told.
type story struct {
	Node
	sc      *Scenario
	started int
}

func newStory(sc *Scenario) *story {
	s := &story{sc: sc, Node: Node{CPUs: sc.CPUs, Outside: outside, Slice: slice}}
	s.Regular = []*Container{{ID: "web", Since: begin.Add(-time.Hour), Allocated: sc.Allocated, Weight: regularWeight * sc.Allocated}}
	for range sc.Tasks {
		s.join(begin.Add(-time.Hour))
	}
	return s
}

func (s *story) join(now time.Time) {
	s.started++
	weight := revocableWeight
	if s.sc.TaskWeight > 0 {
		weight = s.sc.TaskWeight
	}
	s.Revocable = append(s.Revocable, &Container{ID: fmt.Sprintf("task-%03d", s.started), Since: now, Allocated: 1, Wants: s.sc.TaskWants, Weight: weight})
}

// run lets one second pass.
func (s *story) run(second int) {
	s.Regular[0].Wants = max(0, s.sc.Demand(second))
	s.Share(time.Second)
}

// Run tells the story. Its Policy must be valid.
func Run(sc Scenario) ([]Row, error) {
	if err := sc.Policy.Validate(signal.Specs()); err != nil {
		return nil, err
	}
	est, err := newEstimator()
	if err != nil {
		return nil, err
	}
	s := newStory(&sc)
	brain := tick.NewBrain(est, qos.State{})
	rows := make([]Row, 0, sc.Seconds)
	var actions qos.Actions
	lastJoin := begin
	for second := range sc.Seconds {
		now := begin.Add(time.Duration(second) * time.Second)
		s.Remove(now)
		if !sc.NoQuota {
			s.Apply(actions)
		}
		s.run(second)
		d, offer := brain.Think(&sc.Policy, &qos.Input{Snapshot: s.Snapshot(now), InFlight: s.InFlight()})
		actions = d.Actions
		row := Row{
			Second: second, Wanted: s.Regular[0].Wants, Used: s.Regular[0].Got, Revocable: Used(s.Revocable), Tasks: len(s.Revocable),
			Limit: d.Ladders[policy.CPU].Limit, Rung: d.Ladders[policy.CPU].Rung, Kills: len(d.Kills), Acted: d.Acted, StopOffering: d.StopOffering,
		}
		for _, v := range d.Kills {
			call := (callEvery - now.Sub(begin)%callEvery) % callEvery
			s.Kill(v.Key().ID, now, now.Add(call+DeathLatency))
		}
		for i := range offer.Resources {
			if r := &offer.Resources[i]; r.Resource == resources.CPUs {
				row.RevocableTotal = r.RevocableTotal.Float()
				if sc.Offers && r.Offered >= resources.Unit && now.Sub(lastJoin) >= JoinEvery {
					s.join(now)
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
