package estimator_test

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	compared "github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// actor is one container of a story; amounts in cores.
type actor struct {
	id                 string
	class              snapshot.Class
	regular, revocable resources.Milli
	uses               float64
	age                time.Duration
	parent             string
	fault              func(*snapshot.Container)
}

// scene builds a snapshot of an 8-core host, wholly the agent's, with the cast.
func scene(at time.Time, cast ...actor) *snapshot.Snapshot {
	s := &snapshot.Snapshot{Seq: 1, At: at, TreeWhy: snapshot.Present, Usage: &snapshot.Usage{At: at, Agent: "agent"}}
	s.Usage.Total.Set("cpus", 8000)
	s.Usage.Total.Set("mem", 8<<20)
	busy := 0.0
	s.Usage.Executors = make([]snapshot.Executor, 0, len(cast))
	for _, a := range cast {
		c := snapshot.Container{Key: snapshot.Key{ID: a.id, Inode: 7}, Parent: a.parent, OnDisk: true, FirstSeen: at.Add(-a.age), At: at}
		c.CPU.Cores = snapshot.ValueOf(a.uses)
		c.Memory.UnreclaimableBytes = snapshot.CountOf(uint64(a.uses * (1 << 30)))
		if a.class != snapshot.ClassUnknown {
			e := snapshot.Executor{ContainerID: a.id, Class: a.class}
			for name, unit := range map[string]resources.Milli{"cpus": 1, "mem": 1024} {
				if a.regular > 0 {
					e.Regular.Set(name, a.regular*unit)
				}
				if a.revocable > 0 {
					e.Revocable.Set(name, a.revocable*unit)
				}
			}
			s.Usage.Executors = append(s.Usage.Executors, e)
			c.Executor = &s.Usage.Executors[len(s.Usage.Executors)-1]
		}
		if a.parent == "" {
			busy += a.uses
		}
		if a.fault != nil {
			a.fault(&c)
		}
		s.Containers = append(s.Containers, c)
	}
	s.Host = snapshot.Host{
		At: at, CPUs: snapshot.CountOf(8), BusyCores: snapshot.ValueOf(busy),
		MemTotalBytes: snapshot.CountOf(8 << 30), MemAvailableBytes: snapshot.CountOf(8<<30 - uint64(busy*(1<<30))),
	}
	return s
}

const old = time.Hour

func web(uses float64) actor {
	return actor{id: "a-web", class: snapshot.ClassRegular, regular: 4000, uses: uses, age: old}
}

func db(uses float64) actor {
	return actor{id: "b-db", class: snapshot.ClassRegular, regular: 2000, uses: uses, age: old}
}

func batch(uses float64) actor {
	return actor{id: "c-batch", class: snapshot.ClassRevocable, regular: 100, revocable: 1000, uses: uses, age: old}
}

// direct makes mode usage without margin, warm-up shortened, and a governor
// that holds nothing back, so that terms can be read off.
func direct() estimator.UsageConfig {
	cfg := estimator.DefaultUsage()
	cfg.Predictors = compared.Predictors()
	cfg.Resources = []estimator.ResourceConfig{{
		Name: "cpus", Predictor: "latest", Peak: predict.Config{Interval: time.Second},
		Governor: estimator.GovernorConfig{Quantum: 1, Step: 1 << 40},
	}}
	cfg.WarmUp = time.Minute
	return cfg
}

func mustUsage(t interface {
	Helper()
	Fatal(...any)
}, cfg estimator.UsageConfig,
) *tracked {
	t.Helper()
	e, err := estimator.NewUsage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &tracked{Estimator: e}
}

// tracked is an estimator that is told the demands of each tick.
type tracked struct {
	estimator.Estimator
	demand demand.Tracker
}

func (e *tracked) Estimate(s *snapshot.Snapshot) estimator.Offer {
	return e.Estimator.Estimate(s, e.demand.Next(s))
}

// Each case changes one thing; the numbers follow from the formula by hand.
func TestUsageTerms(t *testing.T) {
	for _, tc := range []struct {
		name      string
		cast      []actor
		config    func(*estimator.UsageConfig)
		change    func(*snapshot.Snapshot)
		usage     resources.Milli
		unmanaged resources.Milli
		total     resources.Milli
		free      resources.Milli
		why       reason.Code
	}{
		{name: "two regular containers", cast: []actor{web(1), db(0.5)}, usage: 1500, total: 4500, free: 4500, why: reason.Slack},
		{name: "a young one counts fully", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, uses: 0.5, age: 59 * time.Second}}, usage: 1500, total: 3000, free: 3000, why: reason.Slack},
		{name: "an unreadable one counts fully", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, age: old, fault: func(c *snapshot.Container) {
			c.CPU.Cores = snapshot.Value{Why: snapshot.Backwards}
		}}}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "one read long ago counts fully", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, age: old, fault: func(c *snapshot.Container) {
			c.At = c.At.Add(-11 * time.Second)
		}}}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "one read in the future counts fully", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, age: old, fault: func(c *snapshot.Container) {
			c.At = c.At.Add(11 * time.Second)
		}}}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "one not on disk counts fully", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, age: old, fault: func(c *snapshot.Container) {
			c.OnDisk = false
		}}}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "an executor without container counts fully", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Executors = append(s.Usage.Executors, snapshot.Executor{ContainerID: "lost", Regular: resources.Quantities{{Name: "cpus", Amount: 2000}}})
		}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "the overhead of a revocable one counts fully", cast: []actor{web(1), batch(0.9)}, usage: 1100, total: 3000, free: 2000, why: reason.Slack},
		{name: "a shared one makes no slack", cast: []actor{web(1), {id: "b", class: snapshot.ClassShared, regular: 2000, revocable: 500, age: old}}, usage: 3000, total: 3000, free: 2500, why: reason.Slack},
		{name: "nested ones are in their parent", cast: []actor{web(1), {id: "b", class: snapshot.ClassUnknown, parent: "a-web", uses: 0.7, age: old}}, usage: 1000, total: 3000, free: 3000, why: reason.Slack},
		{name: "a nested one makes no slack of its own", cast: []actor{web(1), {id: "b", class: snapshot.ClassRegular, regular: 2000, parent: "a-web", uses: 0.7, age: old}}, usage: 3000, total: 3000, free: 3000, why: reason.Slack},
		{name: "one above its allocation takes from the rest", cast: []actor{web(1), db(3)}, usage: 4000, total: 2000, free: 2000, why: reason.Slack},
		{name: "an unknown one is unmanaged", cast: []actor{web(1), {id: "z", uses: 0.5, age: old}}, usage: 1000, unmanaged: 500, total: 2500, free: 2500, why: reason.Slack},
		{name: "others within what the agent leaves", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("cpus", 6000)
			s.Host.BusyCores.V += 1.5
		}, usage: 1000, total: 3000, free: 3000, why: reason.Slack},
		{name: "others beyond it", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("cpus", 6000)
			s.Host.BusyCores.V += 2.5
		}, usage: 1000, unmanaged: 500, total: 2500, free: 2500, why: reason.Slack},
		{name: "an agent that claims more than the host has", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("cpus", 12000)
		}, usage: 1000, total: 3000, free: 3000, why: reason.Slack},
		{name: "nobody can be handed what is allocated and not there", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Host.UsableCPUs = snapshot.ValueOf(3) // 4 are allocated
		}, usage: 1000, unmanaged: 1000, total: 2000, free: 2000, why: reason.Slack},
		{name: "an agent that does not say its total leaves nothing", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total = nil
			s.Host.BusyCores.V += 0.5
		}, usage: 1000, unmanaged: 500, total: 2500, free: 2500, why: reason.Slack},
		{name: "others in what a cpuset leaves the agent", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("cpus", 6000)
			s.Host.UsableCPUs = snapshot.ValueOf(6)
			s.Host.BusyCores.V += 0.5
		}, usage: 1000, unmanaged: 500, total: 2500, free: 2500, why: reason.Slack},
		{name: "others beyond what a quota leaves the agent", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("cpus", 6000)
			s.Host.UsableCPUs = snapshot.ValueOf(6.5)
			s.Host.BusyCores.V += 2
		}, usage: 1000, unmanaged: 1500, total: 1500, free: 1500, why: reason.Slack},
		{name: "a quota that could not be read", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Host.UsableCPUs.Why = snapshot.Malformed
		}, why: reason.NoHost},
		{name: "margin", cast: []actor{web(1)}, config: func(c *estimator.UsageConfig) { c.Resources[0].Margin = 0.25 }, usage: 1000, total: 2000, free: 2000, why: reason.Slack},
		{name: "cap", cast: []actor{web(1)}, config: func(c *estimator.UsageConfig) { c.Cap.Set("cpus", 1200) }, usage: 1000, total: 1200, free: 1200, why: reason.Cap},
		{name: "cap above the slack", cast: []actor{web(1)}, config: func(c *estimator.UsageConfig) { c.Cap.Set("cpus", 7000) }, usage: 1000, total: 3000, free: 3000, why: reason.Slack},
		{name: "no slack", cast: []actor{web(4)}, usage: 4000, why: reason.NoSlack},
		{name: "two cgroups of one id count fully, once", cast: []actor{web(1), web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Executors = s.Usage.Executors[:1]
			s.Containers[1].Executor = s.Containers[0].Executor
		}, usage: 4000, unmanaged: 1000, why: reason.CountedInFull},
		{name: "the only one is young", cast: []actor{{id: "b", class: snapshot.ClassRegular, regular: 2000, uses: 0.5, age: 59 * time.Second}}, usage: 500, why: reason.CountedInFull},
		{name: "others use all the slack", cast: []actor{web(1)}, change: func(s *snapshot.Snapshot) {
			s.Usage.Total = nil
			s.Host.BusyCores.V += 3
		}, usage: 1000, unmanaged: 3000, why: reason.UsedOutside},
		{name: "mem", cast: []actor{web(1)}, config: func(c *estimator.UsageConfig) { c.Resources[0].Name = "mem" }, change: func(s *snapshot.Snapshot) {
			s.Usage.Total.Set("mem", 8192000)
			s.Host.MemAvailableBytes.N -= 512 << 20
		}, usage: 1024000, unmanaged: 512000, total: 4096000 - 1024000 - 512000, free: 4096000 - 1024000 - 512000, why: reason.Slack},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := direct()
			if tc.config != nil {
				tc.config(&cfg)
			}
			s := scene(start, tc.cast...)
			if tc.change != nil {
				tc.change(s)
			}
			r := mustUsage(t, cfg).Estimate(s).Resources[0]
			if tc.why.IsBlind() != (r.Estimate == nil) {
				t.Fatalf("%+v: what is blind estimates nothing", r)
			}
			if r.Estimate == nil {
				r.Estimate = &estimator.Estimate{}
			}
			if r.Usage != tc.usage || r.RevocableTotal != tc.total || r.Offered != tc.free || r.Why != tc.why {
				t.Errorf("usage %v total %v free %v why %s, want %v %v %v %s\n%+v", r.Usage, r.RevocableTotal, r.Offered, r.Why, tc.usage, tc.total, tc.free, tc.why, r)
			}
			if tc.name != "two cgroups of one id count fully, once" && r.Unmanaged != tc.unmanaged {
				t.Errorf("unmanaged %v, want %v", r.Unmanaged, tc.unmanaged)
			}
		})
	}
}

func TestBlindnessOffersNothing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		blind func(*snapshot.Snapshot)
		why   reason.Code
	}{
		{"no report", func(s *snapshot.Snapshot) { s.Usage = nil }, reason.NoAgent},
		{"report too old", func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(-46 * time.Second) }, reason.StaleUsage},
		{"report from the future", func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(46 * time.Second) }, reason.StaleUsage},
		{"tree not listed", func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.Denied }, reason.NoSamples},
		{"host's use absent", func(s *snapshot.Snapshot) { s.Host.BusyCores.Why = snapshot.FirstSample }, reason.NoHost},
		{"host's size absent", func(s *snapshot.Snapshot) { s.Host.CPUs.Why = snapshot.NoFile }, reason.NoHost},
		{"host's use no number", func(s *snapshot.Snapshot) { s.Host.BusyCores.V = math.NaN() }, reason.NoHost},
		{"host read long ago", func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(-11 * time.Second) }, reason.StaleSamples},
		{"host read in the future", func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(11 * time.Second) }, reason.StaleSamples},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := mustUsage(t, direct())
			if got := e.Estimate(scene(start, web(1), batch(0.5))).Resources[0].RevocableTotal; got != 3000 {
				t.Fatalf("sighted: total %v, want 3", got)
			}
			s := scene(start.Add(time.Second), web(1), batch(0.5))
			tc.blind(s)
			o := e.Estimate(s)
			if r := o.Resources[0]; r.RevocableTotal != 0 || r.Offered != 0 || r.Why != tc.why || !r.Why.IsBlind() {
				t.Errorf("blind: %+v, want nothing for %s", r, tc.why)
			}
			if got := o.Answer(s.Usage, s.At); len(got) != 0 {
				t.Errorf("blind: answer %v", got)
			}
			if got := e.Estimate(scene(start.Add(2*time.Second), web(1), batch(0.5))).Resources[0].RevocableTotal; got <= 0 {
				t.Errorf("sighted again: total %v", got)
			}
		})
	}
}

// A day at one node, told as it happens.
func TestUsageStory(t *testing.T) {
	cfg := direct()
	cfg.Resources[0].Predictor = "container-max"
	cfg.Resources[0].Peak.Window = 5 * time.Minute
	cfg.Resources[0].Governor = brisk()
	cfg.Resources[0].Governor.HoldOff = 567 * time.Second
	e := mustUsage(t, cfg)
	var o estimator.Offer
	for _, step := range []struct {
		name     string
		from, to int // seconds, a tick each
		acted    bool
		cast     []actor
		total    resources.Milli
		free     resources.Milli
		why      reason.Code
	}{
		{name: "web idles, the first step is offered", from: 0, to: 0, cast: []actor{web(1)}, total: 1000, free: 1000, why: reason.RaiseStep},
		{name: "all its slack is, in the end", from: 1, to: 20, cast: []actor{web(1)}, total: 3000, free: 3000, why: reason.Slack},
		{name: "a batch task takes one cpu of it", from: 21, to: 30, cast: []actor{web(1), batch(1)}, total: 3000, free: 2000, why: reason.Slack},
		{name: "web's load comes: the offer is cut in that tick", from: 31, to: 31, cast: []actor{web(2.5), batch(1)}, total: 1500, free: 500, why: reason.Slack},
		{name: "it comes in full: nothing is left", from: 32, to: 32, cast: []actor{web(4), batch(1)}, why: reason.NoSlack},
		{name: "the batch task was killed, web calms down, the peak is remembered", from: 33, to: 300, acted: true, cast: []actor{web(1)}, why: reason.NoSlack},
		{name: "the peak has left the window, the action's hold has not", from: 301, to: 599, cast: []actor{web(1)}, why: reason.Hold},
		{name: "then it rises by steps", from: 600, to: 600, cast: []actor{web(1)}, total: 1000, free: 1000, why: reason.RaiseStep},
		{name: "to all", from: 601, to: 620, cast: []actor{web(1)}, total: 3000, free: 3000, why: reason.Slack},
		{name: "web ends: its slack goes with it", from: 621, to: 621, cast: nil, why: reason.NoSlack},
	} {
		for sec := step.from; sec <= step.to; sec++ {
			if step.acted && sec == step.from {
				e.Feedback(estimator.Feedback{Acted: true})
			}
			o = e.Estimate(scene(start.Add(time.Duration(sec)*time.Second), step.cast...))
		}
		if r := o.Resources[0]; r.RevocableTotal != step.total || r.Offered != step.free || r.Why != step.why {
			t.Fatalf("%s: total %v free %v why %s, want %v %v %s", step.name, r.RevocableTotal, r.Offered, r.Why, step.total, step.free, step.why)
		}
	}
}

func TestUsageKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := direct()
		cfg.Resources[0].Predictor = rapid.SampledFrom([]string{"latest", "container-max"}).Draw(t, "predictor")
		cfg.Resources[0].Margin = rapid.Float64Range(0, 0.3).Draw(t, "margin")
		cfg.Resources[0].Governor = brisk()
		if rapid.Bool().Draw(t, "capped") {
			cfg.Cap.Set("cpus", resources.Milli(rapid.Int64Range(0, 3000).Draw(t, "cap")))
		}
		e := mustUsage(t, cfg)
		at, total := start, resources.Milli(0)
		for range rapid.IntRange(1, 30).Draw(t, "ticks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "gap")) * time.Second)
			var cast []actor
			for i := range rapid.IntRange(0, 6).Draw(t, "cast") {
				cast = append(cast, actor{
					id:        fmt.Sprintf("c%d", i),
					class:     snapshot.Class(rapid.IntRange(0, 3).Draw(t, "class")),
					regular:   resources.Milli(rapid.Int64Range(0, 4000).Draw(t, "regular")),
					revocable: resources.Milli(rapid.Int64Range(0, 2000).Draw(t, "revocable")),
					uses:      rapid.Float64Range(0, 5).Draw(t, "uses"),
					age:       time.Duration(rapid.IntRange(-5, 120).Draw(t, "age")) * time.Second,
				})
			}
			s := scene(at, cast...)
			blind := rapid.IntRange(0, 9).Draw(t, "blind") == 0
			if blind {
				s.TreeWhy = snapshot.Failed
			}
			o := e.Estimate(s)
			r := o.Resources[0]
			switch {
			case r.RevocableTotal < 0 || r.Offered < 0:
				t.Fatalf("below zero: %+v", r)
			case blind && r.RevocableTotal != 0:
				t.Fatalf("blind: %+v", r)
			case blind:
			case r.RevocableTotal > max(0, r.RegularAllocated-min(r.Usage, r.RegularAllocated)):
				t.Fatalf("promises what is in use: %+v", r)
			case r.Cap != nil && r.RevocableTotal > *r.Cap:
				t.Fatalf("above the cap: %+v", r)
			case r.RevocableTotal > total+1000:
				t.Fatalf("rose by more than a step from %v: %+v", total, r)
			case r.RevocableTotal > r.Target:
				t.Fatalf("a cut was put off: %+v", r)
			}
			total = r.RevocableTotal
			later := scene(at, cast[:rapid.IntRange(0, len(cast)).Draw(t, "left")]...).Usage
			if got := o.Answer(later, at).Get("cpus"); got != 0 && got+later.Revocable().Get("cpus") > r.RevocableTotal {
				t.Fatalf("answered %v beside %v of %v", got, later.Revocable(), r.RevocableTotal)
			}
		}
	})
}

func TestUsageRefuses(t *testing.T) {
	for name, change := range map[string]func(*estimator.UsageConfig){
		"no resource":      func(c *estimator.UsageConfig) { c.Resources = nil },
		"gpus":             func(c *estimator.UsageConfig) { c.Resources[0].Name = "gpus" },
		"one twice":        func(c *estimator.UsageConfig) { c.Resources = append(c.Resources, c.Resources[0]) },
		"margin NaN":       func(c *estimator.UsageConfig) { c.Resources[0].Margin = math.NaN() },
		"margin above one": func(c *estimator.UsageConfig) { c.Resources[0].Margin = 1.1 },
		"cap on mem":       func(c *estimator.UsageConfig) { c.Cap.Set("mem", 1) },
		"negative cap":     func(c *estimator.UsageConfig) { c.Cap.Set("cpus", -1) },
		"no stale limit":   func(c *estimator.UsageConfig) { c.SampleStaleAfter = 0 },
		"negative warm-up": func(c *estimator.UsageConfig) { c.WarmUp = -1 },
		"no governor":      func(c *estimator.UsageConfig) { c.Resources[0].Governor = estimator.GovernorConfig{} },
	} {
		cfg := estimator.DefaultUsage()
		change(&cfg)
		if _, err := estimator.NewUsage(cfg); !errors.Is(err, estimator.ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
	cfg := estimator.DefaultUsage()
	cfg.Resources[0].Predictor = "oracle"
	if _, err := estimator.NewUsage(cfg); !errors.Is(err, predict.ErrUnknownPredictor) {
		t.Errorf("unknown predictor: error %v", err)
	}
}

func BenchmarkEstimate(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			cast := make([]actor, n)
			for i := range cast {
				cast[i] = actor{id: fmt.Sprintf("c%04d", i), class: snapshot.ClassRegular, regular: 1000, uses: 0.2, age: old}
			}
			e := mustUsage(b, estimator.DefaultUsage())
			s := scene(start, cast...)
			at := start
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(time.Second)
				s.At, s.Host.At, s.Usage.At = at, at, at
				for i := range s.Containers {
					s.Containers[i].At = at
				}
				e.Estimate(s)
			}
		})
	}
}
