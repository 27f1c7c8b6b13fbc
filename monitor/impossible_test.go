package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// machine is a node of four processors and 1024 MiB on copied trees.
type machine struct {
	*cgrouptest.Copied
	t    *testing.T
	n    *node
	proc string
	v2   bool
	busy float64 // processors
	// Since boot: busy time, and the counters of containers.
	total   time.Duration
	used    map[string]time.Duration
	stalled time.Duration
}

func newMachine(t *testing.T, shape cgrouptest.Shape, ids ...string) *machine {
	t.Helper()
	m := &machine{
		t: t, Copied: cgrouptest.NewCopied(t, t.TempDir(), shape), proc: t.TempDir(), v2: shape == cgrouptest.UnifiedV2,
		busy: 2, used: map[string]time.Duration{}, total: time.Hour,
	}
	m.MakeRoot()
	m.available(512)
	m.n = newNode(t, monitor.Config{CgroupRoot: m.Root, ProcRoot: m.proc, StatEvery: 1, CheckEvery: 1})
	for _, id := range ids {
		m.Make(id)
		m.quota(id, -1)
		m.used[id] = 2 * time.Second
	}
	m.tick()
	return m
}

func (m *machine) put(rel, text string) {
	m.t.Helper()
	path := filepath.Join(m.proc, rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) available(mib int) {
	m.put("meminfo", fmt.Sprintf("MemTotal: %d kB\nMemFree: 1 kB\nMemAvailable: %d kB\n", 1024<<10, mib<<10))
}

// quota gives a container one in hundredths of a core, -1 for none.
func (m *machine) quota(id string, hundredths int) {
	switch {
	case !m.v2:
		m.Write("cpu", id, "cpu.cfs_quota_us", fmt.Sprintln(max(-1, hundredths*1000)))
		m.Write("cpu", id, "cpu.cfs_period_us", "100000\n")
	case hundredths < 0:
		m.Write("cpu", id, "cpu.max", "max 100000\n")
	default:
		m.Write("cpu", id, "cpu.max", fmt.Sprintf("%d 100000\n", hundredths*1000))
	}
}

// memory sets what a container uses, in bytes.
func (m *machine) memory(id string, usage, anon, cache uint64) {
	usageName, stat := "memory.usage_in_bytes", fmt.Sprintf("total_rss %d\ntotal_inactive_file 0\ntotal_active_file %d\n", anon, cache)
	if m.v2 {
		usageName, stat = "memory.current", fmt.Sprintf("anon %d\ninactive_file 0\nactive_file %d\n", anon, cache)
	}
	m.Write("memory", id, usageName, fmt.Sprintln(usage))
	m.Write("memory", id, "memory.stat", stat)
}

// tick is a second, after which counters are what the fields say.
func (m *machine) tick() map[string]*snapshot.Container {
	m.t.Helper()
	m.total += time.Duration(m.busy * 1e9)
	line := fmt.Sprintf(" %d 0 0 7 0 0 0 0 0 0\n", m.total/(10*time.Millisecond))
	m.put("stat", "cpu "+line+"cpu0"+line+"cpu1"+line+"cpu2"+line+"cpu3"+line+"intr 1\n")
	pressure := fmt.Sprintf("avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n", m.stalled.Microseconds())
	for id, used := range m.used {
		if !m.v2 {
			m.Write("cpuacct", id, "cpuacct.usage", fmt.Sprintln(used.Nanoseconds()))
			continue
		}
		m.Write("cpu", id, "cpu.stat", fmt.Sprintf("usage_usec %d\nnr_periods 1\nnr_throttled 1\nthrottled_usec 7\n", used.Microseconds()))
		for _, what := range []string{"cpu", "memory", "io"} {
			m.Write("cpu", id, what+".pressure", "some "+pressure+"full "+pressure)
		}
	}
	got := map[string]*snapshot.Container{}
	s := m.n.tick(time.Second, nil)
	for i := range s.Containers {
		got[s.Containers[i].ID] = &s.Containers[i]
	}
	got["host"] = &snapshot.Container{CPU: snapshot.CPU{Cores: s.Host.BusyCores}, Memory: snapshot.Memory{UnreclaimableBytes: s.Host.UsableMemAvailableBytes}}
	return got
}

func eachShape(t *testing.T, test func(t *testing.T, shape cgrouptest.Shape)) {
	t.Helper()
	for _, shape := range []cgrouptest.Shape{cgrouptest.Split, cgrouptest.UnifiedV2} {
		t.Run(string(shape), func(t *testing.T) { test(t, shape) })
	}
}

// A container, nested or not, that says it used more than the machine can, or
// than its own quota allows: one such sample costs one tick.
func TestCPUUseThatCannotBe(t *testing.T) {
	impossible := noValue(snapshot.Impossible)
	half := value(0.5)
	for _, tc := range []struct {
		name  string
		quota int
		steps []time.Duration
		want  []snapshot.Value
	}{
		{"10⁷ cores for one sample", -1, []time.Duration{0, 1e16, -1e16, 0}, []snapshot.Value{half, impossible, half, half}},
		{"10⁷ cores, and on from there", -1, []time.Duration{0, 1e16, 0, 0}, []snapshot.Value{half, impossible, half, half}},
		{"twice the machine", -1, []time.Duration{0, 1e10, 0, 0}, []snapshot.Value{half, impossible, half, half}},
		{"all of the machine is possible", -1, []time.Duration{0, 3500 * time.Millisecond, 0}, []snapshot.Value{half, value(4), half}},
		{"far beyond its own quota", 50, []time.Duration{0, 3 * time.Second, 0, 0}, []snapshot.Value{half, impossible, half, half}},
		{"what it saved up of its quota", 50, []time.Duration{0, time.Second / 2, 0}, []snapshot.Value{half, value(1), half}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachShape(t, func(t *testing.T, shape cgrouptest.Shape) {
				m := newMachine(t, shape, "a", "b", "a/mesos/c")
				m.busy = 4
				m.quota("a", tc.quota)
				m.quota("a/mesos/c", tc.quota)
				for i, step := range tc.steps {
					for _, id := range []string{"a", "a/mesos/c"} {
						m.used[id] += step + time.Second/2
					}
					got := m.tick()
					for _, id := range []string{"a", "c"} {
						cpu := got[id].CPU
						if cpu.Cores != tc.want[i] || cpu.UsageNanos.OK() != (tc.want[i] != impossible) {
							t.Errorf("second %d, %s: %+v of %+v, want %+v", i, id, cpu.Cores, cpu.UsageNanos, tc.want[i])
						}
					}
					if got["b"].CPU.Cores != value(0) {
						t.Errorf("second %d: another one %+v", i, got["b"].CPU.Cores)
					}
				}
			})
		})
	}
}

// What is refused is counted, of containers and of the host.
func TestImpossibleReadingsAreCounted(t *testing.T) {
	m := newMachine(t, cgrouptest.UnifiedV2, "a")
	m.tick()
	if got := m.n.Stats().Absent[snapshot.Impossible]; got != 0 {
		t.Errorf("%d before", got)
	}
	m.used["a"] += time.Hour
	m.stalled += time.Hour // cpu, memory, io
	m.total += time.Hour
	m.tick()
	// CPU time and cores, three pressures; the host's busy time.
	if got := m.n.Stats().Absent[snapshot.Impossible]; got != 2+3+1 {
		t.Errorf("%d readings, want 6", got)
	}
}

// A quota that was raised since it was read explains what was used.
func TestCPUUseAfterAQuotaWasRaised(t *testing.T) {
	eachShape(t, func(t *testing.T, shape cgrouptest.Shape) {
		m := newMachine(t, shape, "a")
		m.n = newNode(t, monitor.Config{CgroupRoot: m.Root, ProcRoot: m.proc, CheckEvery: 1000})
		m.quota("a", 50)
		m.busy = 4
		for range 10 {
			m.tick()
		}
		m.quota("a", 400)
		m.used["a"] += 3 * time.Second
		if got := m.tick()["a"].CPU; got.Cores != value(3) || got.QuotaCores != value(4) {
			t.Errorf("%+v", got)
		}
	})
}

// All resources of a container's pressure: more than all of the time.
func TestPressureThatCannotBe(t *testing.T) {
	m := newMachine(t, cgrouptest.UnifiedV2, "a", "a/mesos/c")
	for i, tc := range []struct {
		step time.Duration
		want snapshot.Value
	}{
		{250 * time.Millisecond, value(0.25)},
		{4294967 * time.Microsecond, noValue(snapshot.Impossible)},
		{250 * time.Millisecond, value(0.25)},
		{1200 * time.Millisecond, noValue(snapshot.Impossible)},
		{1050 * time.Millisecond, value(1.05)}, // within the tolerance, and not cut
	} {
		m.stalled += tc.step
		got := m.tick()
		for _, id := range []string{"a", "c"} {
			p := got[id].Pressure
			for j, v := range []snapshot.Value{p.CPUSome, p.MemorySome, p.MemoryFull, p.IOSome, p.IOFull} {
				if v.Why != tc.want.Why || v.V < tc.want.V-1e-9 || v.V > tc.want.V+1e-9 {
					t.Errorf("second %d, %s, reading %d: %+v, want %+v", i, id, j, v, tc.want)
				}
			}
			if p.CPUSomeMicros.OK() != tc.want.OK() {
				t.Errorf("second %d, %s: total %+v", i, id, p.CPUSomeMicros)
			}
		}
	}
}

// A time for which a quota stopped it that is more than all processors have
// hides real waiting.
func TestThrottlingThatCannotBe(t *testing.T) {
	m := newMachine(t, cgrouptest.Split, "a")
	m.quota("a", 50)
	throttled := time.Second
	for i, tc := range []struct {
		step time.Duration
		why  snapshot.Absence
	}{{0, snapshot.Present}, {time.Second / 2, snapshot.Present}, {time.Hour, snapshot.Impossible}, {time.Second / 2, snapshot.Present}} {
		throttled += tc.step
		m.Write("cpu", "a", "cpu.stat", fmt.Sprintf("nr_periods 1\nnr_throttled 1\nthrottled_time %d\n", throttled.Nanoseconds()))
		if got := m.tick()["a"].CPU.ThrottledNanos; got.Why != tc.why {
			t.Errorf("second %d: %+v, want %v", i, got, tc.why)
		}
	}
}

func TestMemoryThatCannotBe(t *testing.T) {
	const mib, absurd = 1 << 20, 1<<64 - 4096
	present, impossible := snapshot.Present, snapshot.Impossible
	eachShape(t, func(t *testing.T, shape cgrouptest.Shape) {
		for _, tc := range []struct {
			name               string
			usage, anon, cache uint64
			limit              uint64
			want               [4]snapshot.Absence // usage, anonymous, reclaimable, unreclaimable
		}{
			{"possible", 96 * mib, 64 * mib, 32 * mib, 0, [4]snapshot.Absence{present, present, present, present}},
			{"16 EiB in use", absurd, 64 * mib, 32 * mib, 0, [4]snapshot.Absence{impossible, present, present, impossible}},
			{"twice the machine", 2048 * mib, 64 * mib, 32 * mib, 0, [4]snapshot.Absence{impossible, present, present, impossible}},
			{"16 EiB of anonymous memory", 96 * mib, absurd, 32 * mib, 0, [4]snapshot.Absence{present, impossible, present, present}},
			{"16 EiB of cache", 96 * mib, 64 * mib, absurd, 0, [4]snapshot.Absence{present, present, impossible, impossible}},
			{"more cache than is in use", 96 * mib, 64 * mib, 160 * mib, 0, [4]snapshot.Absence{present, present, present, impossible}},
			{"beyond its own limit", 256 * mib, 64 * mib, 32 * mib, 128 * mib, [4]snapshot.Absence{impossible, present, present, impossible}},
			{"a little beyond its own limit", 130 * mib, 64 * mib, 32 * mib, 128 * mib, [4]snapshot.Absence{present, present, present, present}},
		} {
			m := newMachine(t, shape, "a", "a/mesos/c")
			for _, id := range []string{"a", "a/mesos/c"} {
				if tc.limit > 0 {
					m.Write("memory", id, map[bool]string{true: "memory.max", false: "memory.limit_in_bytes"}[m.v2], fmt.Sprintln(tc.limit))
				}
				m.memory(id, tc.usage, tc.anon, tc.cache)
			}
			for range 2 {
				got := m.tick()
				for _, id := range []string{"a", "c"} {
					o := got[id].Memory
					if why := [4]snapshot.Absence{o.UsageBytes.Why, o.AnonBytes.Why, o.ReclaimableBytes.Why, o.UnreclaimableBytes.Why}; why != tc.want {
						t.Errorf("%s, %s: %v, want %v", tc.name, id, why, tc.want)
					}
				}
			}
			m.memory("a", 96*mib, 64*mib, 32*mib)
			m.memory("a/mesos/c", 96*mib, 64*mib, 32*mib)
			if got := m.tick()["a"].Memory; got.UnreclaimableBytes != count(64*mib) {
				t.Errorf("%s, and then: %+v", tc.name, got)
			}
		}
	})
}

func TestTasksThatCannotBe(t *testing.T) {
	eachShape(t, func(t *testing.T, shape cgrouptest.Shape) {
		m := newMachine(t, shape, "a")
		m.Write("pids", "a", "pids.current", "18446744073709551615\n")
		if got := m.tick()["a"].Pids; got != noCount(snapshot.Impossible) {
			t.Errorf("%+v", got)
		}
	})
}

// Containers that are possible one by one, but not together, or not beside what
// the host says of itself.
func TestContainersThatCannotBeTogether(t *testing.T) {
	const mib = 1 << 20
	eachShape(t, func(t *testing.T, shape cgrouptest.Shape) {
		m := newMachine(t, shape, "a", "b", "c", "a/mesos/n")
		use := func(a, b, c, busy float64) map[string]*snapshot.Container {
			m.busy = busy
			for id, cores := range map[string]float64{"a": a, "b": b, "c": c, "a/mesos/n": a} {
				m.used[id] += time.Duration(cores * 1e9)
			}
			return m.tick()
		}
		expect := func(what string, got map[string]*snapshot.Container, container, host snapshot.Absence) {
			t.Helper()
			if got["a"].CPU.Cores.Why != container || got["n"].CPU.Cores.Why != container || got["host"].CPU.Cores.Why != host {
				t.Errorf("%s: %+v of a host that has %+v", what, got["a"].CPU, got["host"].CPU.Cores)
			}
		}
		expect("less than the host", use(1, 1, 0, 3), snapshot.Present, snapshot.Present)
		expect("nested ones count once", use(2, 0, 0, 2), snapshot.Present, snapshot.Present)
		expect("a little more than the host, which counts coarsely", use(1, 1, 0, 1.5), snapshot.Present, snapshot.Present)
		expect("much more than the host says", use(2, 1, 0, 0.5), snapshot.Present, snapshot.Impossible)
		expect("more than the machine has", use(2, 2, 2, 4), snapshot.Impossible, snapshot.Present)
		expect("and then", use(1, 1, 0, 3), snapshot.Present, snapshot.Present)

		set := func(a, b, available int) map[string]*snapshot.Container {
			m.available(available)
			m.memory("a", uint64(a)*mib, 1*mib, 0)
			m.memory("b", uint64(b)*mib, 1*mib, 0)
			m.memory("c", 0, 0, 0)
			return m.tick()
		}
		for _, tc := range []struct {
			what            string
			a, b, available int
			container, host snapshot.Absence
		}{
			{"less than the host", 100, 200, 512, snapshot.Present, snapshot.Present},
			{"more than the host says is used", 300, 400, 512, snapshot.Present, snapshot.Impossible},
			{"more than there is", 700, 700, 512, snapshot.Impossible, snapshot.Present},
			{"and then", 100, 200, 512, snapshot.Present, snapshot.Present},
		} {
			got := set(tc.a, tc.b, tc.available)
			a, host := got["a"].Memory, got["host"].Memory.UnreclaimableBytes
			if a.UsageBytes.Why != tc.container || a.UnreclaimableBytes.Why != tc.container || host.Why != tc.host {
				t.Errorf("%s: %+v beside %+v", tc.what, a, host)
			}
		}
	})
}

// The fast sampler refuses the same: no early tick, and nobody is contended.
func TestFastSamplerRefusesWhatCannotBe(t *testing.T) {
	t.Run("v2", func(t *testing.T) {
		l := newFastSampler(t, cgrouptest.UnifiedV2, 0, "web")
		watch := snapshot.Contention{Why: snapshot.ContentionTooSoon, Regular: 1, Watched: 1}
		calm := watch
		calm.State, calm.Why, calm.Judged = snapshot.ContentionCalm, snapshot.ContentionNone, 1
		l.expect("first", watch)
		l.expect("second", calm)
		l.waited("web", time.Second+4294967*time.Microsecond)
		refused := watch
		refused.Why = snapshot.ContentionImpossible
		l.expect("4.29 s within a poll", refused)
		l.expect("and on from there", calm)
	})
	t.Run("v1", func(t *testing.T) {
		l := newFastSampler(t, cgrouptest.Split, 0, "web")
		l.cpus(4)
		used := 10 * time.Second
		run := func(cores float64) snapshot.Contention {
			used += time.Duration(cores * float64(step))
			l.busy(step / 2)
			l.used("web", used)
			return l.poll()
		}
		for range 20 {
			run(1)
		}
		if q := run(1e7); q.Why != snapshot.ContentionImpossible || q.Judged != 0 {
			t.Errorf("10⁷ cores: %+v", q)
		}
		for i := range 20 { // what is usual has not changed
			if q := run(1); q.State != snapshot.ContentionCalm {
				t.Errorf("poll %d after it: %+v", i, q)
			}
		}
		if q := run(0.4); q.State != snapshot.ContentionContended {
			t.Errorf("less than usual: %+v", q)
		}
	})
	t.Run("the host's", func(t *testing.T) {
		l := newFastSampler(t, cgrouptest.Split, 0, "web")
		used := 10 * time.Second
		for i := range 20 {
			used += step
			l.used("web", used)
			l.busy(0)
			if q := l.poll(); i > 2 && q.State != snapshot.ContentionCalm {
				t.Errorf("poll %d: %+v", i, q)
			}
		}
		l.busy(4294967 * time.Microsecond) // nobody waits: it only says so
		l.used("web", used+step/2)
		if q := l.poll(); q.State == snapshot.ContentionContended {
			t.Errorf("a busy host that cannot be: %+v", q)
		}
	})
}
