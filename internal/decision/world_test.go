package decision_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// world is a node of 4 CPUs whose history is drawn.
type world struct {
	policy    *policy.Policy
	estimator estimator.Estimator
	maker     decision.Maker
	state     qos.State
	promises  []signal.Promise
	inFlight  []qos.InFlight
	at, wall  time.Time
	seq       uint64
}

// failer is a *testing.T, *testing.B or *rapid.T.
type failer interface{ Fatal(args ...any) }

func newEstimator(t failer) estimator.Estimator {
	cfg := estimator.DefaultUsage()
	cfg.WarmUp, cfg.UnmanagedWindow = 0, time.Second
	r := &cfg.Resources[0]
	r.Predictor, r.Shadows, r.Margin = "container-max", nil, 0.1
	r.Peak = predict.Config{Interval: time.Second, Window: 5 * time.Second}
	r.Governor = estimator.GovernorConfig{
		Quantum: 100, Step: 700, RaiseEvery: 2 * time.Second, DeadBand: 200, Hold: 3 * time.Second,
		HoldOff: 4 * time.Second, HoldOffMax: 8 * time.Second, HoldOffDecay: time.Minute,
	}
	cfg.Cap = resources.Quantities{{Name: resources.CPUs, Amount: 2500}}
	e, err := estimator.NewUsage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// withReservations offers reservations as well.
func withReservations(t failer, e estimator.Estimator) estimator.Estimator {
	g := estimator.GovernorConfig{Quantum: 100, Step: 500, RaiseEvery: time.Second, HoldOff: 3 * time.Second, HoldOffMax: 8 * time.Second}
	e, err := estimator.NewAllocation(estimator.AllocationConfig{
		Resources:        []estimator.AllocationResource{{Name: resources.CPUs, Governor: g}},
		Roles:            estimator.RoleFilter{Keep: []estimator.Keep{{Role: "low", Share: 0.3}}},
		Cap:              resources.Quantities{{Name: resources.CPUs, Amount: 1500}},
		ReportStaleAfter: 45 * time.Second, SampleStaleAfter: 10 * time.Second,
	}, e)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func anyPolicy(t *rapid.T) *policy.Policy {
	p := policy.DefaultPolicy()
	p.Ladder.KillsAtOnce = rapid.IntRange(1, 4).Draw(t, "kills at once")
	p.Ladder.IgnoredAfter = time.Duration(rapid.IntRange(1, 5).Draw(t, "ignored after")) * time.Second
	p.Ladder.Dwell = time.Duration(rapid.IntRange(0, 3).Draw(t, "dwell")) * time.Second
	p.Budget = policy.Budget{Kills: rapid.IntRange(1, 6).Draw(t, "budget"), Per: time.Minute}
	p.Victims.MinUsage = rapid.Float64Range(0, 1).Draw(t, "min usage")
	p.Victims.Priorities = []policy.Priority{{Role: "low", Priority: -1}}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		name := rapid.SampledFrom([]policy.Signal{signal.NodeCPU, signal.NodeCPU, signal.Load5}).Draw(t, "signal")
		r := signal.Of(name).Rule()
		r.Name, r.Above = fmt.Sprint("rule", i), rapid.Float64Range(0.3, 0.95).Draw(t, "above")
		r.Clear = r.Above * 0.9
		r.For = time.Duration(rapid.IntRange(0, 2).Draw(t, "for")) * time.Second
		r.Settle = time.Duration(rapid.IntRange(0, 3).Draw(t, "settle")) * time.Second
		r.Immediate = rapid.Bool().Draw(t, "immediate")
		r.Shadow = rapid.IntRange(0, 5).Draw(t, "shadow") == 0
		p.Rules = append(p.Rules, r)
	}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return &p
}

// node draws what the tick sees.
func (w *world) node(t *rapid.T) *snapshot.Snapshot {
	w.seq++
	step := time.Duration(rapid.SampledFrom([]int{1000, 1000, 1000, 1001, 250, 12000, -5000}).Draw(t, "step")) * time.Millisecond
	w.wall = w.wall.Add(step) // a calendar that is set back now and then
	w.at = w.at.Add(max(step, time.Second))
	s := &snapshot.Snapshot{Seq: w.seq, At: w.at, TreeWhy: snapshot.Present, Usage: &snapshot.Usage{At: w.at, Agent: "agent"}}
	s.Host = snapshot.Host{
		At: w.at, CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(rapid.Float64Range(0, 4).Draw(t, "busy")),
		Load5: snapshot.ValueOf(rapid.Float64Range(0, 2).Draw(t, "load5")),
	}
	if rapid.IntRange(0, 4).Draw(t, "saturated") > 1 {
		s.Host.BusyCores = snapshot.ValueOf(4)
	}
	switch rapid.IntRange(0, 20).Draw(t, "blind") {
	case 0:
		s.Usage = nil
	case 1:
		s.TreeWhy = snapshot.Denied
	case 2:
		s.Host.BusyCores = snapshot.Value{Why: snapshot.Backwards}
	case 3:
		s.Usage.At = w.at.Add(-time.Minute)
	}
	n := rapid.IntRange(2, 6).Draw(t, "containers")
	if s.Usage != nil {
		s.Usage.Executors = make([]snapshot.Executor, n)
		s.Usage.Total = resources.Quantities{{Name: resources.CPUs, Amount: 4000}}
		for _, role := range []string{"high", "low"} {
			allocated := resources.Milli(rapid.IntRange(0, 2).Draw(t, "of the reservation") * 500)
			s.Usage.Reservations = append(s.Usage.Reservations, snapshot.Reservation{
				Role: role, Reserved: resources.Quantities{{Name: resources.CPUs, Amount: 1000}}, Allocated: resources.Quantities{{Name: resources.CPUs, Amount: allocated}},
			})
		}
	}
	for i := range n {
		id := fmt.Sprint("c", i)
		c := snapshot.Container{
			Key: snapshot.Key{ID: id, Inode: uint64(i + 1)}, OnDisk: true, At: w.at, FirstSeen: time.Unix(999_000+int64(i/2), 0),
			CPU: snapshot.CPU{UsageNanos: snapshot.CountOf(1), Cores: snapshot.ValueOf(float64(rapid.IntRange(0, 8).Draw(t, "cores")) / 4)},
		}
		if rapid.IntRange(0, 9).Draw(t, "unreadable") == 0 {
			c.CPU.Cores = snapshot.Value{Why: snapshot.FirstSample}
		}
		if s.Usage != nil {
			x := &s.Usage.Executors[i]
			*x = snapshot.Executor{ContainerID: id, FrameworkID: "framework", ExecutorID: "executor-" + id, Role: "high"}
			amount := resources.Milli(rapid.IntRange(0, 4).Draw(t, "allocated") * 500)
			if i%3 == 0 {
				x.Regular.Set(resources.CPUs, amount)
			} else {
				x.Revocable.Set(resources.CPUs, amount)
			}
			if i%2 == 0 {
				x.Role = "low"
			}
			x.Tasks = []snapshot.Task{{ID: "task-" + id, Regular: x.Regular, Revocable: x.Revocable}}
			x.Class = x.Classify()
			if rapid.IntRange(0, 9).Draw(t, "unknown") > 0 {
				c.Executor = x
			}
		}
		s.Containers = append(s.Containers, c)
	}
	return s
}

// tick decides on s and returns the record.
func (w *world) tick(s *snapshot.Snapshot) *decision.Record {
	in := qos.Input{Snapshot: s, InFlight: w.inFlight, Promises: w.promises}
	d, next := qos.Decide(w.policy, w.state, in)
	w.state = next
	w.estimator.Feedback(estimator.Feedback{StopOffer: d.StopOffering, Acted: d.Acted})
	offer := w.estimator.Estimate(s, nil)
	w.promises = nil
	for _, r := range offer.Resources {
		if r.Estimate != nil {
			w.promises = append(w.promises, signal.Promise{Resource: r.Resource, Peak: r.Peak, Allocated: r.RegularAllocated, RevocableTotal: r.RevocableTotal})
		}
	}
	for _, v := range d.Kills {
		w.inFlight = append(w.inFlight, qos.InFlight{Key: v.Key(), Since: s.At})
	}
	return w.maker.Make(&decision.Tick{Policy: w.policy, Input: in, Decision: d, Offer: offer, InFlight: len(w.inFlight), Wall: w.wall})
}

// Over any history the offer and the victims follow from the logged line alone,
// and the line is what it was made from.
func TestOfferAndVictimsFollowFromTheLine(t *testing.T) {
	var kills, twice, raised, held, stopped int
	rapid.Check(t, func(t *rapid.T) {
		w := &world{policy: anyPolicy(t), estimator: newEstimator(t), at: time.Unix(1_000_000, 0), wall: time.Unix(2_000_000, 0)}
		if rapid.Bool().Draw(t, "reservations") {
			w.estimator = withReservations(t, w.estimator)
		}
		for range rapid.IntRange(5, 30).Draw(t, "ticks") {
			s := w.node(t)
			r := w.tick(s)
			l, text := through(t, r)
			for i := range r.Offer.Resources {
				want, got := &r.Offer.Resources[i], recompute(&l.Offer.Resources[i])
				if got.total != want.RevocableTotal || got.offered != want.Offered || got.why != want.Why {
					t.Fatalf("recomputed %+v, decided %+v\n%s", got, want, text)
				}
				switch want.Why {
				case "raise_step":
					raised++
				case "hold":
					held++
				case "stopped":
					stopped++
				}
			}
			victims := recomputeKills(w.policy, l)
			if len(victims) != len(r.QoS.Kills) {
				t.Fatalf("recomputed %v, killed %v\n%s", victims, l.QoS.Kills, text)
			}
			for i, v := range r.QoS.Kills {
				kills++
				if victims[i] != v.Key() {
					t.Fatalf("recomputed %v, killed %v\n%s", victims, l.QoS.Kills, text)
				}
			}
			if len(victims) > 1 {
				twice++
			}
			if len(w.inFlight) > 0 && rapid.IntRange(0, 2).Draw(t, "gone") == 0 {
				w.inFlight = w.inFlight[1:]
			}
		}
	})
	t.Logf("%d kills, %d times two at once, %d raises, %d holds, %d stops", kills, twice, raised, held, stopped)
	if kills == 0 || raised == 0 || held == 0 || stopped == 0 {
		t.Errorf("%d kills, %d times two at once, %d raises, %d holds, %d stops: want some of each", kills, twice, raised, held, stopped)
	}
}
