package qos

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Nodes of 2 CPUs on which one regular container, web, which was allocated 2
// CPUs and 1000 MB, uses one, and a hog uses the rest.

const mega = 1 << 20

// nodeOf is such a node; busy cores are busy, web is changed by set.
func nodeOf(at time.Time, busy float64, set func(web *snapshot.Container)) *snapshot.Snapshot {
	web := regular("web", 1)
	web.Executor.Regular = resources.Quantities{
		{Name: resources.CPUs, Amount: 2000}, {Name: resources.Mem, Amount: 1000000},
	}
	web.Memory.UnreclaimableBytes = snapshot.CountOf(500 * mega)
	if set != nil {
		set(&web)
	}
	s := node(at, busy, revocable("hog", 0.9), web)
	s.Host.MemTotalBytes, s.Host.MemAvailableBytes = snapshot.CountOf(2000*mega), snapshot.CountOf(1000*mega)
	return s
}

// onV2 gives web a CPU pressure and a memory pressure; no quota ever held it
// back.
func onV2(cpu, memory float64) func(*snapshot.Container) {
	return func(web *snapshot.Container) {
		web.Pressure.CPUSome, web.Pressure.CPUSomeMicros = snapshot.ValueOf(cpu), snapshot.CountOf(5e6)
		web.Pressure.MemoryFull = snapshot.ValueOf(memory)
		web.CPU.ThrottledNanos = snapshot.CountOf(0)
		web.CPU.RunDelay = snapshot.Value{}
	}
}

// onV1 is a kernel without pressure of single cgroups, that says how long web's
// threads waited.
func onV1(delay snapshot.Value) func(*snapshot.Container) {
	return func(web *snapshot.Container) {
		none := snapshot.Value{Why: snapshot.NoFile}
		web.Pressure = snapshot.Pressure{
			CPUSome: none, MemorySome: none, MemoryFull: none, IOSome: none, IOFull: none,
			CPUSomeMicros: snapshot.Count{Why: snapshot.NoFile},
		}
		web.CPU.ThrottledNanos = snapshot.Count{Why: snapshot.NoQuota}
		web.CPU.RunDelay = delay
	}
}

// noDelay is a host whose waiting was not read.
var noDelay = snapshot.Value{}

// contended is what the fast sampler says of web at the time of s, since that long ago.
func contended(s *snapshot.Snapshot, degree float64, since time.Duration, why snapshot.ContentionWhy) *snapshot.Snapshot {
	s.Contention = snapshot.Contention{
		At: s.At.Add(-5 * time.Millisecond), State: snapshot.ContentionContended, Why: why, Container: "web",
		Degree: degree, Since: s.At.Add(-since), Regular: 1, Watched: 1, Judged: 1, Every: 1,
	}
	return s
}

// calmFastSampler is a fast sampler that looked and saw nothing.
func calmFastSampler(s *snapshot.Snapshot) *snapshot.Snapshot {
	s.Contention = snapshot.Contention{At: s.At, State: snapshot.ContentionCalm, Why: snapshot.ContentionNone, Regular: 1, Watched: 1, Judged: 1, Every: 1}
	return s
}

// reads is what a rule of sig with its default threshold (or 0.5) reads at the
// last of the ticks, and what is said of it.
func reads(t *testing.T, sig policy.Signal, promises []signal.Promise, ticks ...*snapshot.Snapshot) (RuleState, string) {
	t.Helper()
	spec := signal.Of(sig)
	if spec == nil {
		t.Fatalf("no signal %s", sig)
	}
	r := spec.Rule()
	r.Name = "rule"
	p := policyOf(r)
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	var st State
	var d Decision
	var demands demand.Tracker
	for _, s := range ticks {
		d, st = Decide(p, st, Input{Snapshot: s, Demands: demands.Next(s), Promises: promises})
	}
	for _, all := range d.Signals {
		if all.Signal == sig && (all.Value.Why != d.Rules[0].Value.Why || all.Value.V != d.Rules[0].Value.V || all.Container != d.Rules[0].Container) {
			t.Errorf("signals say %+v, the rule %+v", all, d.Rules[0])
		}
	}
	return d.Rules[0], d.Sentence(&d.Rules[0], ticks[len(ticks)-1].At)
}

// cases are readings of one signal.
type readingCase struct {
	name     string
	ticks    []*snapshot.Snapshot
	promises []signal.Promise
	// want is its value, or why it is unknown; missing is absent when it does
	// not tell.
	want, missing snapshot.Value
	worst         string
	text          string
}

func (tc *readingCase) check(t *testing.T, sig policy.Signal) {
	t.Helper()
	got, text := reads(t, sig, tc.promises, tc.ticks...)
	if got.Value.Why != tc.want.Why || got.Value.OK() && math.Abs(got.Value.V-tc.want.V) > 1e-9 {
		t.Errorf("value %+v, want %+v", got.Value, tc.want)
	}
	if got.Shortfall.OK() != tc.missing.OK() || got.Shortfall.OK() && math.Abs(got.Shortfall.V-tc.missing.V) > 1e-3 {
		t.Errorf("missing %+v, want %+v", got.Shortfall, tc.missing)
	}
	if got.Container != tc.worst {
		t.Errorf("worst %q, want %q", got.Container, tc.worst)
	}
	if tc.text != "" && text != "rule: "+tc.text {
		t.Errorf("text\n     %q\nwant %q", text, "rule: "+tc.text)
	}
}

func checkAll(t *testing.T, sig policy.Signal, cases []readingCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) { tc.check(t, sig) })
	}
}

// one is a story of one tick.
func one(busy float64, set func(*snapshot.Container)) []*snapshot.Snapshot {
	return []*snapshot.Snapshot{nodeOf(t0, busy, set)}
}

func amount(v float64) snapshot.Value            { return snapshot.ValueOf(v) }
func absent(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
func count(why snapshot.Absence) snapshot.Count  { return snapshot.Count{Why: why} }
func edit(s *snapshot.Snapshot, f func(s *snapshot.Snapshot)) []*snapshot.Snapshot {
	f(s)
	return []*snapshot.Snapshot{s}
}

func TestContention(t *testing.T) {
	checkAll(t, signal.RegularCPUContention, []readingCase{
		{name: "an idle node", ticks: one(1, onV2(0, 0)), want: amount(1. / 2), missing: amount(0)},
		{
			name: "a full node on which nobody waits", ticks: one(2, onV2(0, 0)), want: amount(1), missing: amount(0),
			text: "regular containers want 1.00 of 1.00 CPUs left to them (100 %), not above 125 %; they use 1.00, revocable 0.90",
		},
		{
			// One thread that waits half of the time wants twice what it gets.
			name: "half of the time web waits", ticks: one(2, onV2(0.5, 0)), want: amount(2), missing: amount(1),
			text: "regular containers want 2.00 of 1.00 CPUs left to them (200 %) above 125 % for 0 s of 1 s; they use 1.00, revocable 0.90",
		},
		{name: "what it waits for is idle", ticks: one(1.5, onV2(1./3, 0)), want: amount(1), missing: amount(0)},
		{name: "just not", ticks: one(1.6, onV2(1./3, 0)), want: amount(1.5 / 1.4), missing: amount(0.1)},
		{name: "no more than it was allocated is wanted", ticks: one(2, onV2(0.99, 0)), want: amount(2), missing: amount(1)},
		{name: "v1, waiting on run queues", ticks: one(2, onV1(amount(0.5))), want: amount(1.5), missing: amount(0.5)},
		{name: "v1, idle, waiting not read", ticks: one(1, onV1(noDelay)), want: amount(0.5), missing: amount(0)},
		{
			name: "v1, full, waiting not read", ticks: one(2, onV1(noDelay)), want: absent(snapshot.NotRead),
			text: "blind, how long regular containers waited for a CPU could not be read (not_read)",
		},
		{name: "full, and no file tells", ticks: one(2, onV1(absent(snapshot.NoFile))), want: absent(snapshot.NoFile)},
		{name: "web cannot be read", ticks: one(2, func(web *snapshot.Container) {
			onV2(0.5, 0)(web)
			web.CPU.Cores = absent(snapshot.Vanished)
		}), want: absent(snapshot.Vanished)},
		{name: "one of two can be read", ticks: edit(nodeOf(t0, 2, onV2(0.5, 0)), func(s *snapshot.Snapshot) {
			other := regular("z", 1)
			other.At, other.CPU.Cores = s.At, absent(snapshot.Vanished)
			s.Containers = append(s.Containers, other)
		}), want: amount(2), missing: amount(1), text: "regular containers want 2.00 of 1.00 CPUs left to them (200 %) above 125 % for 0 s of 1 s; they use 1.00, revocable 0.90; 1 regular containers unreadable"},
		{name: "an unreadable hog changes nothing", ticks: edit(nodeOf(t0, 2, onV2(0.5, 0)), func(s *snapshot.Snapshot) {
			s.Containers[0].CPU.Cores = absent(snapshot.Denied)
		}), want: amount(2), missing: amount(1)},
		{name: "the hog's waiting does not count", ticks: edit(nodeOf(t0, 2, onV2(0, 0)), func(s *snapshot.Snapshot) {
			onV2(1, 1)(&s.Containers[0])
		}), want: amount(1), missing: amount(0)},
		{name: "nor that of a container unknown to the agent", ticks: edit(nodeOf(t0, 2, onV2(0, 0)), func(s *snapshot.Snapshot) {
			onV2(1, 1)(&s.Containers[0])
			s.Containers[0].Executor = nil
		}), want: amount(1), missing: amount(0)},
		{name: "nobody regular", ticks: edit(nodeOf(t0, 2, nil), func(s *snapshot.Snapshot) { s.Containers = s.Containers[:1] }), want: amount(0), missing: amount(0)},
		{name: "the host is not readable", ticks: edit(nodeOf(t0, 2, onV2(0.5, 0)), func(s *snapshot.Snapshot) { s.Host.BusyCores = absent(snapshot.Denied) }), want: absent(snapshot.Denied)},
		{name: "its quota cannot be told from others", ticks: one(2, func(web *snapshot.Container) {
			onV2(0.5, 0)(web)
			web.CPU.ThrottledNanos = count(snapshot.Denied)
		}), want: absent(snapshot.Denied)},
	})
}

func TestRunDelay(t *testing.T) {
	checkAll(t, signal.RegularRunDelay, []readingCase{
		{
			name: "web waits", ticks: one(2, onV1(amount(1.0/3))), want: amount(0.25), missing: amount(1.0 / 3), worst: "web",
			text: "web waited on run queues for 25 % of the CPU it wants above 20 % for 0 s of 1 s; node 100 % busy; regular containers lack 0.33 CPUs",
		},
		{name: "up to its allocation", ticks: one(2, onV1(amount(31))), want: amount(0.5), missing: amount(1), worst: "web"},
		{name: "beyond its allocation", ticks: one(2, func(web *snapshot.Container) {
			onV1(amount(1))(web)
			web.CPU.Cores = amount(2)
		}), want: amount(0)},
		{name: "a tiny one", ticks: one(2, func(web *snapshot.Container) {
			onV1(amount(0.04))(web)
			web.CPU.Cores = amount(0.05)
		}), want: amount(0)},
		{name: "on an idle node", ticks: one(1.39, onV1(amount(1))), want: amount(0), text: "no regular container waits on run queues (0 %), not above 20 %; node 69.5 % busy, less than 70 %: waiting there does not count"},
		{name: "on a busy one", ticks: one(1.4, onV1(amount(1))), want: amount(0.5), missing: amount(1), worst: "web"},
		{name: "not read, idle", ticks: one(1, onV1(noDelay)), want: amount(0)},
		{name: "not read, busy", ticks: one(2, onV1(noDelay)), want: absent(snapshot.NotRead), text: "blind, the regular containers' run-queue delay could not be read (not_read)"},
		{name: "the kernel does not tell, idle", ticks: one(1, onV1(absent(snapshot.NoFile))), want: absent(snapshot.NoFile)},
		{name: "v2, idle", ticks: one(1, onV2(0, 0)), want: absent(snapshot.NoFile)},
		{name: "v2, busy", ticks: one(2, onV2(0.9, 0)), want: absent(snapshot.NoFile)},
		{name: "not on disk", ticks: one(2, func(web *snapshot.Container) {
			onV1(amount(1))(web)
			web.OnDisk = false
		}), want: absent(snapshot.NotOnDisk)},
	})
}

func TestMemorySignals(t *testing.T) {
	available := func(megabytes uint64, set func(*snapshot.Container)) []*snapshot.Snapshot {
		return edit(nodeOf(t0, 1, set), func(s *snapshot.Snapshot) { s.Host.MemAvailableBytes = snapshot.CountOf(megabytes * mega) })
	}
	t.Run("node", func(t *testing.T) {
		checkAll(t, signal.NodeMemory, []readingCase{
			{
				name: "half", ticks: available(1000, nil), want: amount(0.5), missing: amount(0),
				text: "1000 MB of 2000 MB memory available (50 % in use), not above 95 %",
			},
			{
				name: "little", ticks: available(50, nil), want: amount(0.975), missing: amount(50 * mega),
				text: "50 MB of 2000 MB memory available (97.5 % in use) above 95 % for 0 s of 2 s",
			},
			{name: "none", ticks: available(0, nil), want: amount(1), missing: amount(100 * mega)},
			{name: "a little more than all", ticks: available(2001, nil), want: amount(0), missing: amount(0)},
			{name: "much more than all", ticks: available(3000, nil), want: absent(snapshot.Impossible)},
			{name: "a limit around the containers", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) {
				s.Host.UsableMemBytes, s.Host.UsableMemAvailableBytes = snapshot.CountOf(100*mega), snapshot.CountOf(1*mega)
			}), want: amount(0.99), missing: amount(4 * mega)},
			{name: "a limit that cannot be read", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) {
				s.Host.UsableMemBytes = count(snapshot.Denied)
			}), want: absent(snapshot.Denied), text: "blind, the node's memory could not be read (denied)"},
			{name: "no memory at all", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) { s.Host.MemTotalBytes = snapshot.CountOf(0) }), want: absent(snapshot.Impossible)},
			{name: "old", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(-11 * time.Second) }), want: absent(snapshot.NotRead)},
			{name: "truncated", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) { s.Host.MemAvailableBytes = count(snapshot.Truncated) }), want: absent(snapshot.Truncated)},
		})
	})
	t.Run("allocation", func(t *testing.T) {
		filled := func(megabytes uint64) func(*snapshot.Container) {
			return func(web *snapshot.Container) {
				web.Memory.UnreclaimableBytes = snapshot.CountOf(megabytes * mega)
			}
		}
		checkAll(t, signal.RegularMemory, []readingCase{
			{name: "half", ticks: one(1, nil), want: amount(0.5), worst: "web", text: "web uses 50 % of its memory, not above 90 %"},
			{name: "all", ticks: one(1, filled(950)), want: amount(0.95), worst: "web"},
			{name: "more than all", ticks: one(1, filled(1500)), want: amount(1.5), worst: "web"},
			{name: "more than there is", ticks: one(1, filled(5000)), want: absent(snapshot.Malformed)},
			{name: "no allocation", ticks: one(1, func(web *snapshot.Container) { web.Executor.Regular = web.Executor.Regular[:1] }), want: amount(0), text: "no regular container uses memory that it was allocated (0 %), not above 90 %"},
			{name: "not readable", ticks: one(1, func(web *snapshot.Container) { web.Memory.UnreclaimableBytes = count(snapshot.NoKey) }), want: absent(snapshot.NoKey)},
			{name: "its CPU is not readable", ticks: one(1, func(web *snapshot.Container) { web.CPU.Cores = absent(snapshot.Denied) }), want: amount(0.5), worst: "web"},
		})
	})
	t.Run("pressure", func(t *testing.T) {
		checkAll(t, signal.RegularMemoryPressure, []readingCase{
			{name: "v2, scarce", ticks: available(200, onV2(0, 0.3)), want: amount(0.3), worst: "web", text: "web waited for memory 30 % of the time above 10 % for 0 s of 5 s; 200 MB of 2000 MB available"},
			{name: "v2, plenty", ticks: available(500, onV2(0, 0.3)), want: amount(0), text: "no regular container is kept waiting for memory (0 %), not above 10 %; 500 MB of 2000 MB available"},
			{name: "at its own limit", ticks: available(200, func(web *snapshot.Container) {
				onV2(0, 0.3)(web)
				web.Memory.UnreclaimableBytes = snapshot.CountOf(950 * mega)
			}), want: amount(0)},
			{name: "how near its limit is unknown", ticks: available(200, func(web *snapshot.Container) {
				onV2(0, 0.3)(web)
				web.Memory.UnreclaimableBytes = count(snapshot.Denied)
			}), want: absent(snapshot.Denied)},
			{name: "v1", ticks: available(200, onV1(noDelay)), want: absent(snapshot.NoFile), text: "not on this host: the regular containers' memory pressure (no_file)"},
			{name: "the node is unknown", ticks: edit(nodeOf(t0, 1, onV2(0, 0.3)), func(s *snapshot.Snapshot) { s.Host.MemTotalBytes = count(snapshot.Failed) }), want: absent(snapshot.Failed)},
			{name: "old", ticks: edit(available(200, onV2(0, 0.3))[0], func(s *snapshot.Snapshot) {
				web := &s.Containers[1]
				web.At, web.Executor.Regular = s.At.Add(-11*time.Second), web.Executor.Regular[:1]
			}), want: absent(snapshot.NotRead)},
			{name: "the hog's", ticks: edit(nodeOf(t0, 1, onV2(0, 0)), func(s *snapshot.Snapshot) {
				s.Host.MemAvailableBytes = snapshot.CountOf(0)
				onV2(0, 1)(&s.Containers[0])
			}), want: amount(0)},
		})
	})
}

func TestPredictionViolated(t *testing.T) {
	peak := func(peak, allocated resources.Milli) []signal.Promise {
		return []signal.Promise{{Resource: resources.Mem, Peak: 1, Allocated: 1}, {Resource: resources.CPUs, Peak: peak, Allocated: allocated}}
	}
	checkAll(t, signal.PredictionViolated, []readingCase{
		{name: "nothing promised", ticks: one(1, onV2(0, 0)), want: absent(snapshot.NotRead), text: "blind, the estimate of regular demand could not be read (not_read)"},
		{name: "only memory promised", ticks: one(1, onV2(0, 0)), promises: peak(1, 1)[:1], want: absent(snapshot.NotRead)},
		{
			name: "kept", ticks: one(1, onV2(0, 0)), promises: peak(1200, 2000), want: amount(0), missing: amount(0),
			text: "regular containers want 1.00 CPUs, 1.20 were promised to be enough (exceeded by 0 % of what they are allocated), not above 5 %",
		},
		{
			name: "broken on an idle node", ticks: one(1, onV2(0, 0)), promises: peak(800, 2000), want: amount(0.1), missing: amount(0.2),
			text: "regular containers want 1.00 CPUs, 0.80 were promised to be enough (exceeded by 10 % of what they are allocated) above 5 % for 0 s",
		},
		{name: "what is waited for counts", ticks: one(2, onV2(0.5, 0)), promises: peak(1500, 2000), want: amount(0.25), missing: amount(0.5)},
		{name: "the overhead of others counts in full", ticks: edit(nodeOf(t0, 1, onV2(0, 0)), func(s *snapshot.Snapshot) {
			s.Containers[0].Executor.Regular = resources.Quantities{{Name: resources.CPUs, Amount: 400}}
		}), promises: peak(1200, 2400), want: amount(0.2 / 2.4), missing: amount(0.2)},
		{name: "launched since", ticks: one(1, onV2(0, 0)), promises: peak(300, 1000), want: amount(0), missing: amount(0)},
		{name: "unreadable", ticks: one(1, func(web *snapshot.Container) { web.CPU.Cores = absent(snapshot.Denied) }), promises: peak(0, 2000), want: absent(snapshot.Denied)},
		{name: "a promise below zero", ticks: one(1, onV2(0, 0)), promises: peak(-1, 2000), want: absent(snapshot.Malformed)},
		{name: "nobody regular", ticks: edit(nodeOf(t0, 1, nil), func(s *snapshot.Snapshot) { s.Containers = s.Containers[:1] }), promises: peak(0, 0), want: amount(0), missing: amount(0)},
	})
}

func TestReservation(t *testing.T) {
	owes := func(owed resources.Milli) []signal.Promise {
		return []signal.Promise{{Resource: resources.CPUs, NoPeak: true, RevocableTotal: 1000, Owed: owed}}
	}
	// The hog has 0.9 of its 1 core, the node 2.
	hog := func(allocated resources.Milli) []*snapshot.Snapshot {
		return edit(nodeOf(t0, 1.9, onV2(0, 0)), func(s *snapshot.Snapshot) {
			s.Usage.Executors = []snapshot.Executor{{ContainerID: "hog", Revocable: resources.Quantities{{Name: resources.CPUs, Amount: allocated}}}}
		})
	}
	checkAll(t, signal.Reservation, []readingCase{
		{name: "nothing was offered", ticks: hog(1000), want: absent(snapshot.NotRead), text: "blind, the last offer could not be read (not_read)"},
		{name: "nothing is owed", ticks: hog(1000), promises: owes(0), want: amount(0), missing: amount(0)},
		{
			name: "a part is owed", ticks: hog(1000), promises: owes(400), want: amount(0.2), missing: amount(0.3),
			text: "revocable containers use 0.90 CPUs, 0.40 of what they have are their owners' again above 0.1 % for 0 s of 5 s",
		},
		{name: "more is owed than is used", ticks: hog(3000), promises: owes(2500), want: amount(0.45), missing: amount(0.4)},
		{name: "all is owed", ticks: hog(1000), promises: owes(1000), want: amount(0.45), missing: amount(0.9)},
		{name: "no CPUs", ticks: edit(hog(1000)[0], func(s *snapshot.Snapshot) { s.Host.CPUs.Why = snapshot.Denied }), promises: owes(1), want: absent(snapshot.Denied)},
	})
}

// The pass over 1000 containers, half of them regular: without anything to tell
// of waiting, and with the pressure of each and quotas that have held them back.
func BenchmarkLook(b *testing.B) {
	p := cpuPolicy()
	for _, quotas := range []bool{false, true} {
		b.Run(map[bool]string{false: "v1", true: "v2 with quotas"}[quotas], func(b *testing.B) {
			s := benchNode(1)
			for i := range s.Containers {
				if quotas {
					onV2(0.01, 0)(&s.Containers[i])
					s.Containers[i].CPU.ThrottledNanos = snapshot.CountOf(1e9)
				} else {
					onV1(noDelay)(&s.Containers[i])
				}
			}
			var demands demand.Tracker
			v := signal.Look(signal.Past{}, p.Fresh, s, demands.Next(s), nil)
			before := v.Remember()
			b.ReportAllocs()
			for b.Loop() {
				v := signal.Look(before, p.Fresh, s, demands.Next(s), nil)
				before = v.Remember()
			}
		})
	}
}
