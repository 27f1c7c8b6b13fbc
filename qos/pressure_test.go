package qos

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

func TestCPUPressure(t *testing.T) {
	polled := func(busy float64, set func(*snapshot.Container), change func(s *snapshot.Snapshot)) []*snapshot.Snapshot {
		return edit(nodeOf(t0, busy, set), change)
	}
	stalled := func(s *snapshot.Snapshot) { contended(s, 0.5, time.Minute, snapshot.ContentionStalled) }
	slowed := func(s *snapshot.Snapshot) { contended(s, 0.5, time.Minute, snapshot.ContentionSlowed) }
	checkAll(t, signal.RegularCPUPressure, []readingCase{
		{
			name: "v2, busy", ticks: one(2, onV2(0.5, 0)), want: amount(0.5), missing: amount(1), worst: "web",
			text: "web waited for a CPU 50 % of the time above 10 % for 0 s; node 100 % busy; regular containers lack 1.00 CPUs; the ladder is at stop_offering",
		},
		{
			name: "v2, not busy", ticks: one(1.38, onV2(0.5, 0)), want: amount(0),
			text: "no regular container is kept waiting for a CPU (0 %), not above 10 %; node 69 % busy, less than 70 %: waiting there does not count",
		},
		{name: "v2, just busy", ticks: one(1.4, onV2(0.5, 0)), want: amount(0.5), missing: amount(1), worst: "web"},
		{name: "nobody waits", ticks: one(2, onV2(0, 0)), want: amount(0)},
		{name: "it gets all that it was allocated", ticks: one(2, func(web *snapshot.Container) {
			onV2(0.5, 0)(web)
			web.CPU.Cores = amount(2)
		}), want: amount(0)},
		{name: "a little above one is one", ticks: one(2, onV2(1.05, 0)), want: amount(1), missing: amount(1), worst: "web"},
		{name: "far above one is no share", ticks: one(2, onV2(1.5, 0)), want: absent(snapshot.Malformed)},
		{name: "the hog's waiting", ticks: polled(2, onV2(0, 0), func(s *snapshot.Snapshot) { onV2(1, 0)(&s.Containers[0]) }), want: amount(0)},
		{name: "that of one that also runs a regular task", ticks: polled(2, onV2(0, 0), func(s *snapshot.Snapshot) {
			onV2(1, 0)(&s.Containers[0])
			s.Containers[0].Executor.Class = snapshot.ClassShared
		}), want: amount(0)},
		{name: "an old sample", ticks: polled(2, onV2(0.5, 0), func(s *snapshot.Snapshot) { s.Containers[1].At = s.At.Add(-11 * time.Second) }), want: absent(snapshot.NotRead)},
		{name: "the node is unknown", ticks: polled(2, onV2(0.5, 0), func(s *snapshot.Snapshot) { s.Host.CPUs = count(snapshot.Denied) }), want: absent(snapshot.Denied)},

		{name: "v2, the fast sampler saw more", ticks: polled(2, onV2(0.2, 0), stalled), want: amount(0.5), worst: "web", text: "web waited for a CPU just now 50 % of the time above 10 % for 0 s; node 100 % busy; the ladder is at stop_offering"},
		{name: "v2, the fast sampler saw less", ticks: polled(2, onV2(0.6, 0), stalled), want: amount(0.6), missing: amount(1), worst: "web"},
		{name: "v2, the fast sampler saw nothing", ticks: polled(2, onV2(0.2, 0), func(s *snapshot.Snapshot) { calmFastSampler(s) }), want: amount(0.2), missing: amount(0.25), worst: "web"},
		{name: "v2, only the fast sampler", ticks: polled(2, func(web *snapshot.Container) {
			onV2(0, 0)(web)
			web.Pressure.CPUSome = absent(snapshot.FirstSample)
		}, stalled), want: amount(0.5), worst: "web"},
		{name: "v2, the fast sampler on an idle node", ticks: polled(1, onV2(0, 0), stalled), want: amount(0)},

		{name: "v1, the fast sampler saw it lose half", ticks: polled(2, onV1(noDelay), slowed), want: amount(0.5), worst: "web", text: "web lost of its CPU just now 50 % above 10 % for 0 s; node 100 % busy; the ladder is at stop_offering"},
		{name: "v1, it lost half of more than it was allocated", ticks: polled(2, func(web *snapshot.Container) {
			onV1(noDelay)(web)
			web.CPU.Cores = amount(2)
		}, slowed), want: amount(0)},
		{name: "v1, the fast sampler is calm", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) { calmFastSampler(s) }), want: amount(0)},
		{name: "v1, on an idle node", ticks: polled(1, onV1(noDelay), slowed), want: amount(0)},
		{name: "v1, no fast sampler", ticks: one(2, onV1(noDelay)), want: absent(snapshot.NotRead)},
		{name: "v1, no fast sampler, idle", ticks: one(0, onV1(noDelay)), want: absent(snapshot.NotRead)},
		{name: "no PSI at all", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			s.Contention = snapshot.Contention{At: s.At, Why: snapshot.ContentionNoPressure}
		}), want: absent(snapshot.NoFile), text: "not on this host: the regular containers' CPU pressure (no_file)"},
		{name: "v1, the fast sampler cannot read", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			s.Contention = snapshot.Contention{At: s.At, Why: snapshot.ContentionUnreadable}
		}), want: absent(snapshot.Failed)},
		{name: "v1, the fast sampler has nothing to compare with", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			s.Contention = snapshot.Contention{At: s.At, Why: snapshot.ContentionTooSoon}
		}), want: absent(snapshot.FirstSample)},
		{name: "v1, the fast sampler stands still", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			slowed(s)
			s.Contention.At = s.At.Add(-1100 * time.Millisecond)
		}), want: absent(snapshot.NotRead)},
		{name: "v1, it names one that is gone", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			slowed(s)
			s.Contention.Container = "gone"
		}), want: absent(snapshot.NotRead)},
		{name: "v1, it names one that is not regular", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			slowed(s)
			s.Contention.Container = "hog"
		}), want: absent(snapshot.NotRead)},
		{name: "v1, a state that is none", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) { s.Contention.At, s.Contention.State = s.At, 9 }), want: absent(snapshot.Malformed)},
		{name: "v1, a degree that is none", ticks: polled(2, onV1(noDelay), func(s *snapshot.Snapshot) {
			slowed(s)
			s.Contention.Degree = math.NaN()
		}), want: absent(snapshot.Malformed)},
		{name: "nobody regular", ticks: polled(2, nil, func(s *snapshot.Snapshot) { s.Containers = s.Containers[:1] }), want: amount(0)},
	})
}

// Contention begins between two ticks, and the fast sampler has the loop tick 100 ms
// later: that tick already reads it, although its averages are of a second in
// which the node was half idle most of the time. One whose own quota or own
// threads are behind the waiting is not read as contended.
func TestTheTickThatTheFastSamplerWakes(t *testing.T) {
	// The tick comes 105 ms after the onset and 605 ms after the tick before; the
	// fast sampler noticed it 5 ms ago.
	woken := func(before, busy float64, throttled snapshot.Count) []*snapshot.Snapshot {
		first := nodeOf(t0, before, func(web *snapshot.Container) {
			onV2(0, 0)(web)
			web.CPU.ThrottledNanos = snapshot.CountOf(1e9)
		})
		second := nodeOf(after(0.605), busy, func(web *snapshot.Container) {
			onV2(0.05, 0)(web)
			web.Pressure.CPUSomeMicros = snapshot.CountOf(5e6 + 30e3)
			web.CPU.ThrottledNanos = throttled
		})
		return []*snapshot.Snapshot{first, contended(second, 0.6, 5*time.Millisecond, snapshot.ContentionStalled)}
	}
	const half, full = 0.8, 2.
	filled := (0.5*half + 0.105*full) / 0.605 // 50 % of the node, on average
	ms := func(n uint64) snapshot.Count { return snapshot.CountOf(1e9 + n*1e6) }
	checkAll(t, signal.RegularCPUPressure, []readingCase{
		{name: "others fill the node", ticks: woken(half, filled, ms(0)), want: amount(0.6), worst: "web"},
		{name: "the node is as busy as before", ticks: woken(half, half, ms(0)), want: amount(0)},
		{name: "its quota explains it", ticks: woken(half, filled, ms(40)), want: amount(0)},
		{name: "its quota explains a part", ticks: woken(half, filled, ms(6)), want: amount(0.4), worst: "web"},
		{name: "it was full before, and is not any more", ticks: func() []*snapshot.Snapshot {
			ticks := woken(full, half, ms(0))
			contended(ticks[1], 0.6, time.Minute, snapshot.ContentionStalled)
			return ticks
		}(), want: amount(0)},
		{name: "the quota of a nested container may explain it", ticks: func() []*snapshot.Snapshot {
			ticks := woken(half, filled, ms(0))
			for i, s := range ticks {
				task := snapshot.Container{Key: snapshot.Key{ID: "web.task", Inode: 8}, Parent: "web", OnDisk: true, At: s.At}
				task.Pressure, task.CPU.ThrottledNanos = s.Containers[1].Pressure, snapshot.CountOf(1e9+uint64(i)*6e8)
				s.Containers = append(s.Containers, task)
			}
			return ticks
		}(), want: amount(0)},
		{name: "its quota is not known", ticks: woken(half, filled, count(snapshot.Truncated)), want: absent(snapshot.Truncated)},
	})
	t.Run("throttles at once", func(t *testing.T) {
		r := signal.Of(signal.RegularCPUPressure).Rule()
		r.Name, r.Clear, r.Immediate = "contention", 0.05, true
		p := policyOf(r)
		var st State
		var d Decision
		var demands demand.Tracker
		for _, s := range woken(half, filled, ms(0)) {
			d, st = Decide(p, st, Input{Snapshot: s, Demands: demands.Next(s)})
		}
		if d.Rules[0].Why != reason.Throttled || len(d.Actions.Throttles) != 1 || d.Actions.Throttles[0].Victim.Key().ID != "hog" || len(d.Kills) != 0 {
			t.Errorf("decided %s, throttles %+v", d.Why, d.Actions.Throttles)
		}
	})
}

// The fixture of a container that its own quota throttles: its pressure is the
// same as under CPU contention (kubernetes/enhancements 5062: 58 % from one pod
// with a small quota).
func TestSelfThrottling(t *testing.T) {
	// In each second, some task of web waits for 580 ms; its quota throttled it
	// for throttled ms of them.
	story := func(busy float64, throttled uint64, nested bool) []*snapshot.Snapshot {
		var ticks []*snapshot.Snapshot
		for i := range uint64(3) {
			total := snapshot.CountOf(7e9 + i*throttled*1e6)
			s := nodeOf(after(float64(i)), busy, func(web *snapshot.Container) {
				onV2(0.58, 0)(web)
				web.Pressure.CPUSomeMicros = snapshot.CountOf(9e6 + i*580e3)
				if !nested {
					web.CPU.ThrottledNanos = total
				}
			})
			if nested {
				task := snapshot.Container{Key: snapshot.Key{ID: "web.task", Inode: 8}, Parent: "web", OnDisk: true, At: s.At}
				task.Pressure, task.CPU.ThrottledNanos = s.Containers[1].Pressure, total
				s.Containers = append(s.Containers, task)
			}
			ticks = append(ticks, s)
		}
		return ticks
	}
	for _, nested := range []bool{false, true} {
		name := map[bool]string{false: "its own quota", true: "the quota of a nested container"}[nested]
		t.Run(name, func(t *testing.T) {
			checkAll(t, signal.RegularCPUPressure, []readingCase{
				{name: "holds it back on an idle node", ticks: story(0.6, 580, nested), want: amount(0)},
				{name: "holds it back on a full node", ticks: story(2, 580, nested), want: amount(0)},
				{name: "holds it back on four processors", ticks: story(2, 4*580, nested), want: amount(0)},
				{name: "holds it back for a part of the time", ticks: story(2, 180, nested), want: amount(0.4), missing: amount(0.4 / 0.6), worst: "web"},
				{name: "never held it back since the tick before", ticks: story(2, 0, nested), want: amount(0.58), missing: amount(1), worst: "web"},
				{name: "held it back some time before the first tick", ticks: story(2, 580, nested)[:1], want: absent(snapshot.FirstSample)},
			})
			checkAll(t, signal.RegularCPUContention, []readingCase{
				{name: "is no demand", ticks: story(2, 580, nested), want: amount(1), missing: amount(0)},
				{name: "the rest is", ticks: story(2, 180, nested), want: amount(1 / 0.6), missing: amount(0.4 / 0.6)},
			})
		})
	}
	// The same within half a second.
	short := story(2, 90, false)
	for i, s := range short {
		s.At = after(0.5 * float64(i))
		s.Host.At, s.Usage.At, s.Containers[0].At, s.Containers[1].At = s.At, s.At, s.At, s.At
		s.Containers[1].Pressure.CPUSomeMicros = snapshot.CountOf(9e6 + uint64(i)*290e3)
	}
	checkAll(t, signal.RegularCPUPressure, []readingCase{{name: "in half a second", ticks: short, want: amount(0.4), missing: amount(0.4 / 0.6), worst: "web"}})
	// And by rules in shadow mode.
	r := signal.Of(signal.RegularCPUPressure).Rule()
	r.Name, r.Clear, r.Shadow = "rule", 0.05, true
	p := policyOf(r)
	var st State
	var d Decision
	var demands demand.Tracker
	for _, s := range story(2, 180, false) {
		d, st = Decide(p, st, Input{Snapshot: s, Demands: demands.Next(s)})
	}
	if got := d.Shadow.Rules[0].Value; !got.OK() || math.Abs(got.V-0.4) > 1e-9 {
		t.Errorf("in shadow mode: %+v", got)
	}
	// A wall clock that is set changes nothing: the share is of the time that
	// the pressure is about.
	jump := story(2, 180, false)
	jump[2].At = jump[2].At.Add(8 * time.Second)
	jump[2].Host.At, jump[2].Usage.At = jump[2].At, jump[2].At
	for i := range jump[2].Containers {
		jump[2].Containers[i].At = jump[2].At
	}
	checkAll(t, signal.RegularCPUPressure, []readingCase{{name: "with a clock that is set", ticks: jump, want: amount(0.4), missing: amount(0.4 / 0.6), worst: "web"}})
	back := story(2, 180, false)
	back[2].Containers[1].CPU.ThrottledNanos = snapshot.CountOf(1)
	checkAll(t, signal.RegularCPUPressure, []readingCase{{name: "with a counter that went back", ticks: back, want: absent(snapshot.Backwards)}})
}

// Every input of every signal, with every fault: the signal is unknown or lower
// than without the fault, and nothing is done.
func TestFaultsOfRegularSignals(t *testing.T) {
	values := map[string]func(v *snapshot.Value){
		"not a number": func(v *snapshot.Value) { *v = amount(math.NaN()) },
		"infinite":     func(v *snapshot.Value) { *v = amount(math.Inf(1)) },
		"below zero":   func(v *snapshot.Value) { *v = amount(-3) },
		"huge":         func(v *snapshot.Value) { *v = amount(1e18) },
	}
	counts := map[string]func(c *snapshot.Count){}
	for why := snapshot.NotRead; int(why) < snapshot.NumAbsences; why++ {
		if why != snapshot.Present {
			values[why.String()] = func(v *snapshot.Value) { *v = absent(why) }
			if why != snapshot.NoQuota {
				counts[why.String()] = func(c *snapshot.Count) { *c = count(why) }
			}
		}
	}
	// What each signal is high on: two ticks of a full node with little memory.
	ticks := func(set func(*snapshot.Container)) []*snapshot.Snapshot {
		var out []*snapshot.Snapshot
		for i := range uint64(2) {
			s := nodeOf(after(float64(i)), 2, func(web *snapshot.Container) {
				set(web)
				web.Memory.UnreclaimableBytes = snapshot.CountOf(940 * mega)
				if web.CPU.ThrottledNanos.OK() {
					web.CPU.ThrottledNanos = snapshot.CountOf(1e9 + i*1e6)
					web.Pressure.CPUSomeMicros = snapshot.CountOf(1e9 + i*500e3)
				}
			})
			s.Host.MemAvailableBytes = snapshot.CountOf(0)
			s.Containers[0].Memory.UnreclaimableBytes = snapshot.CountOf(900 * mega)
			out = append(out, s)
		}
		return out
	}
	v2, v1 := onV2(0.5, 0.5), onV1(amount(0.5))
	web := func(s *snapshot.Snapshot) *snapshot.Container { return &s.Containers[1] }
	busy := func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.BusyCores }
	cores := func(s *snapshot.Snapshot) *snapshot.Value { return &web(s).CPU.Cores }
	promises := []signal.Promise{{Resource: "cpus", Peak: 100, Allocated: 2000}}
	for _, tc := range []struct {
		sig    policy.Signal
		set    func(*snapshot.Container)
		values []func(s *snapshot.Snapshot) *snapshot.Value
		counts []func(s *snapshot.Snapshot) *snapshot.Count
	}{
		{signal.RegularCPUContention, v2, []func(s *snapshot.Snapshot) *snapshot.Value{
			busy, cores, func(s *snapshot.Snapshot) *snapshot.Value { return &web(s).Pressure.CPUSome },
		}, []func(s *snapshot.Snapshot) *snapshot.Count{
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.CPUs },
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).CPU.ThrottledNanos },
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).Pressure.CPUSomeMicros },
		}},
		{signal.RegularCPUPressure, v2, []func(s *snapshot.Snapshot) *snapshot.Value{
			busy, cores, func(s *snapshot.Snapshot) *snapshot.Value { return &web(s).Pressure.CPUSome },
		}, []func(s *snapshot.Snapshot) *snapshot.Count{
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.CPUs },
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).CPU.ThrottledNanos },
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).Pressure.CPUSomeMicros },
		}},
		{signal.RegularRunDelay, v1, []func(s *snapshot.Snapshot) *snapshot.Value{
			busy, cores, func(s *snapshot.Snapshot) *snapshot.Value { return &web(s).CPU.RunDelay },
		}, nil},
		{signal.RegularMemoryPressure, v2, []func(s *snapshot.Snapshot) *snapshot.Value{
			func(s *snapshot.Snapshot) *snapshot.Value { return &web(s).Pressure.MemoryFull },
		}, []func(s *snapshot.Snapshot) *snapshot.Count{
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemTotalBytes },
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemAvailableBytes },
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).Memory.UnreclaimableBytes },
		}},
		{signal.NodeMemory, v1, nil, []func(s *snapshot.Snapshot) *snapshot.Count{
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemTotalBytes },
			func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemAvailableBytes },
		}},
		{signal.RegularMemory, v1, nil, []func(s *snapshot.Snapshot) *snapshot.Count{
			func(s *snapshot.Snapshot) *snapshot.Count { return &web(s).Memory.UnreclaimableBytes },
		}},
		{signal.PredictionViolated, v2, []func(s *snapshot.Snapshot) *snapshot.Value{cores}, nil},
	} {
		r := signal.Of(tc.sig).Rule()
		r.Name, r.For, r.Settle, r.Action, r.Immediate = "rule", 0, 0, policy.Kill, true
		r.Above = min(r.Above, 0.9)
		p := policyOf(r)
		decided := func(change func(s *snapshot.Snapshot)) Decision {
			var st State
			var d Decision
			var demands demand.Tracker
			for i, s := range ticks(tc.set) {
				if i == 1 {
					change(s)
				}
				d, st = Decide(p, st, Input{Snapshot: s, Demands: demands.Next(s), Promises: promises})
			}
			return d
		}
		if d := decided(func(*snapshot.Snapshot) {}); len(d.Kills) != 1 {
			t.Fatalf("%s without a fault: %+v", tc.sig, d.Rules)
		}
		expect := func(fault string, i int, d Decision) {
			if d.Why != reason.Blind && d.Why != blindFor(fault) || len(d.Kills)+len(d.Actions.Throttles) != 0 || d.Candidates != nil {
				t.Errorf("%s: input %d %s: decided %s, %+v", tc.sig, i, fault, d.Why, d.Rules[0])
			}
		}
		for i, pick := range tc.values {
			for fault, apply := range values {
				expect(fault, i, decided(func(s *snapshot.Snapshot) { apply(pick(s)) }))
			}
			expect("old", i, decided(func(s *snapshot.Snapshot) {
				s.Host.At, web(s).At = s.At.Add(-11*time.Second), s.At.Add(-11*time.Second)
			}))
		}
		for i, pick := range tc.counts {
			for fault, apply := range counts {
				expect(fault, i, decided(func(s *snapshot.Snapshot) { apply(pick(s)) }))
			}
		}
	}
}

// More waiting never lowers a signal, more of a container's own throttling never
// raises one, and all of them are finite and not below zero, whatever the node.
func TestSignalsAreMonotonous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, most float64) float64 { return rapid.Float64Range(0, most).Draw(t, name) }
		busy, used := draw("busy", 2), draw("used", 2)
		less, more := draw("pressure", 1), draw("pressure", 1)
		less, more = min(less, more), max(less, more)
		little, much := uint64(draw("throttled", 1e9)), uint64(draw("throttled", 1e9))
		little, much = min(little, much), max(little, much)
		v1 := rapid.Bool().Draw(t, "v1")
		node := func(p, delay float64, throttled uint64, at float64) *snapshot.Snapshot {
			s := nodeOf(after(at), busy, func(web *snapshot.Container) {
				onV2(p, p)(web)
				web.Pressure.CPUSomeMicros = snapshot.CountOf(1 + uint64(at*p*1e6))
				web.CPU.ThrottledNanos = snapshot.CountOf(1 + uint64(at)*throttled)
				if v1 {
					onV1(amount(delay))(web)
				}
				web.CPU.Cores = amount(used)
			})
			s.Host.MemAvailableBytes = snapshot.CountOf(0)
			if rapid.Bool().Draw(t, "fast sampler") {
				contended(s, p, 100*time.Millisecond, snapshot.ContentionStalled)
			}
			return s
		}
		read := func(p float64, throttled uint64) (map[policy.Signal]snapshot.Value, map[policy.Signal]snapshot.Value) {
			values, missing := map[policy.Signal]snapshot.Value{}, map[policy.Signal]snapshot.Value{}
			var demands demand.Tracker
			s := node(p, p, throttled, 0)
			first := signal.Look(signal.Past{}, policy.DefaultFresh(), s, demands.Next(s), nil)
			promises := []signal.Promise{{Resource: "cpus", Peak: 500, Allocated: 2000}}
			s = node(p, p, throttled, 1)
			v := signal.Look(first.Remember(), policy.DefaultFresh(), s, demands.Next(s), promises)
			for _, spec := range signal.Specs() {
				sig := spec.Name
				r := policy.Rule{Signal: sig, Above: 0.5}
				m := v.Read(&r)
				if m.Value.OK() && !(m.Value.V >= 0 && m.Value.V < 1e6) || m.Shortfall.OK() && !(m.Shortfall.V >= 0 && m.Shortfall.V < 1e10) {
					t.Fatalf("%s: %+v", sig, m)
				}
				values[sig], missing[sig] = m.Value, m.Shortfall
			}
			return values, missing
		}
		higher := func(what string, low, high map[policy.Signal]snapshot.Value) {
			for sig := range low {
				if low[sig].OK() && high[sig].OK() && low[sig].V > high[sig].V+1e-6 {
					t.Fatalf("%s: %s from %v to %v", what, sig, low[sig], high[sig])
				}
			}
		}
		calm, calmMissing := read(less, little)
		contended, contendedMissing := read(more, little)
		if v1 || little == 0 { // else the first one may have more throttling than pressure
			higher("more waiting", calm, contended)
			for _, sig := range []policy.Signal{signal.RegularCPUContention, signal.RegularRunDelay, signal.PredictionViolated} {
				higher("more waiting", map[policy.Signal]snapshot.Value{sig: calmMissing[sig]}, map[policy.Signal]snapshot.Value{sig: contendedMissing[sig]})
			}
		}
		throttled, _ := read(more, much)
		higher("less throttling", throttled, contended)
	})
}
