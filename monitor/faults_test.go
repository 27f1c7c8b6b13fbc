package monitor_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// suffering is a calm node of files, from the files to the decision: a regular
// and a revocable container that use half a core each, of 4 processors, 3 of
// them allocated.
type suffering struct {
	*cgrouptest.Copied
	t     *testing.T
	v2    bool
	proc  string
	n     *node
	brain *tick.Brain
	p     policy.Policy
	ticks int
	kept  map[string]bool // files that are not written any more
}

func newSuffering(t *testing.T, shape cgrouptest.Shape) *suffering {
	t.Helper()
	s := &suffering{
		Copied: cgrouptest.NewCopied(t, t.TempDir(), shape), t: t, v2: shape == cgrouptest.UnifiedV2,
		proc: t.TempDir(), kept: map[string]bool{},
	}
	s.MakeRoot()
	s.Make("web")
	s.Make("hog")
	s.writeStill()
	s.advance()
	s.n = newNode(t, monitor.Config{CgroupRoot: s.Root, ProcRoot: s.proc, StatEvery: 1, CheckEvery: 1, RescanEvery: 1})
	cfg := estimator.DefaultUsage()
	r := &cfg.Resources[0]
	r.Predictor, r.Shadows, r.Governor.Hold = "container-max", nil, 0
	r.Governor.Step, r.Governor.RaiseEvery = 100*resources.Unit, 0
	est, err := estimator.NewUsage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.brain = tick.NewBrain(est, qos.State{})
	s.p = policy.DefaultPolicy()
	s.p.Victims.MinUsage = 0
	for _, spec := range signal.Specs() {
		rule := spec.Rule()
		if rule.Above == 0 {
			rule.Above = 100
		}
		rule.Name, rule.Clear, rule.For, rule.Settle, rule.Action = string(spec.Name), spec.ClearOf(rule.Above), 0, 0, policy.Kill
		s.p.Rules = append(s.p.Rules, rule)
	}
	if err := s.p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return s
}

// put writes a file, unless that is what is broken.
func (s *suffering) put(path, text string) {
	s.t.Helper()
	if s.kept[path] {
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// writeStill writes what never changes.
func (s *suffering) writeStill() {
	s.put(filepath.Join(s.proc, "loadavg"), "1.00 1.00 1.00 1/100 1000\n")
	s.put(filepath.Join(s.proc, "meminfo"), "MemTotal:       16777216 kB\nMemFree:         8388608 kB\nMemAvailable:    8388608 kB\n")
	if err := os.MkdirAll(filepath.Join(s.proc, "pressure"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, what := range []string{"cpu", "memory", "io"} {
		s.put(filepath.Join(s.proc, "pressure", what), "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	}
}

// advance writes what a second adds.
func (s *suffering) advance() {
	i := s.ticks
	s.ticks++
	var stat strings.Builder
	fmt.Fprintf(&stat, "cpu  %d 0 0 %d 0 0 0 0 0 0\n", 110*i, 290*i)
	for cpu := range 4 {
		fmt.Fprintf(&stat, "cpu%d %d 0 0 %d 0 0 0 0 0 0\n", cpu, 110*i/4, 290*i/4)
	}
	s.put(filepath.Join(s.proc, "stat"), stat.String()+"ctxt 1\nbtime 1\n")
	used := 2_000_000 + 500_000*i // µs
	for _, c := range []string{"web", "hog"} {
		if s.v2 {
			s.put(filepath.Join(s.Dir("cpu", c), "cpu.stat"), fmt.Sprintf("usage_usec %d\nuser_usec 1\nsystem_usec 1\nnr_periods 100\nnr_throttled 0\nthrottled_usec 0\n", used))
		} else {
			s.put(filepath.Join(s.Dir("cpuacct", c), "cpuacct.usage"), fmt.Sprintf("%d\n", used*1000))
			s.put(filepath.Join(s.Dir("cpu", c), "cpu.stat"), "nr_periods 100\nnr_throttled 0\nthrottled_time 0\n")
		}
	}
}

// tick is a second of it. It returns what is offered and whether anything is
// done to anybody.
func (s *suffering) tick() (free resources.Milli, acted bool) {
	s.advance()
	milli := func(n int) resources.Quantities {
		return resources.Quantities{{Name: resources.CPUs, Amount: resources.Milli(n)}, {Name: resources.Mem, Amount: 1024 * resources.Unit}}
	}
	exec := func(id string, class snapshot.Class, regular, revocable resources.Quantities) snapshot.Executor {
		return snapshot.Executor{
			ContainerID: id, FrameworkID: "f", ExecutorID: id, Class: class, Regular: regular, Revocable: revocable, HasStatistics: true,
			Tasks: []snapshot.Task{{ID: id, Regular: regular, Revocable: revocable}},
		}
	}
	usage := &snapshot.Usage{
		At: epoch.Add(s.n.clock.mono + time.Second), Agent: "agent", Total: milli(4000),
		Executors: []snapshot.Executor{
			exec("web", snapshot.ClassRegular, milli(3000), nil), exec("hog", snapshot.ClassRevocable, nil, milli(500)),
		},
	}
	d, offer := s.brain.Think(&s.p, &qos.Input{Snapshot: s.n.tick(time.Second, usage)})
	return offer.Resources[0].Offered, len(d.Kills)+len(d.Actions.Throttles)+len(d.Actions.Freezes) > 0
}

// file is one that is read of such a node. decides: without its text the offer
// is 0.
type file struct {
	path    string
	decides bool
}

// files are all of them, by a name.
func (s *suffering) files() map[string]file {
	files := map[string]file{}
	for _, name := range []string{"stat", "loadavg", "meminfo", "pressure/cpu", "pressure/memory", "pressure/io"} {
		files["proc/"+name] = file{filepath.Join(s.proc, name), name == "stat"}
	}
	names := map[string][]string{
		"cpuacct": {"cpuacct.usage"}, "cpu": {"cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
		"memory": {"memory.usage_in_bytes", "memory.stat"}, "pids": {"pids.current"},
	}
	if s.v2 {
		names = map[string][]string{
			"cpu": {"cpu.stat", "cpu.max", "cpu.pressure"}, "memory": {"memory.current", "memory.stat", "memory.pressure"},
			"pids": {"pids.current"}, "io": {"io.pressure"},
		}
	}
	for controller, list := range names {
		for _, name := range list {
			for _, c := range []string{"web", "hog"} {
				// A regular container whose use is not known counts as using all it has.
				decides := c == "web" && (name == "cpuacct.usage" || s.v2 && name == "cpu.stat")
				files[c+"/"+name] = file{filepath.Join(s.Dir(controller, c), name), decides}
			}
		}
	}
	return files
}

// faults are what can be wrong with a file.
var faults = map[string]func(path string) error{
	"missing": os.Remove,
	"truncated": func(path string) error {
		text, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path, text[:min(4, len(text)-1)], 0o644))
	},
	"empty":   func(path string) error { return os.Truncate(path, 0) },
	"garbage": func(path string) error { return os.WriteFile(path, []byte("\x00\xff no number\n-3 NaN\n"), 0o644) },
	"huge": func(path string) error {
		return os.WriteFile(path, []byte("99999999999999999999999999999999\nusage_usec 99999999999999999999999999\n"), 0o644)
	},
	"negative": func(path string) error {
		return os.WriteFile(path, []byte("-1\nusage_usec -1\ncpu -1 -1 -1 -1\n"), 0o644)
	},
	// A directory in its place: EISDIR, the nearest thing to an EIO that can be
	// had of ordinary files.
	"failing": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
	"frozen":  func(string) error { return nil },
	"backwards": func(path string) error {
		text, err := os.ReadFile(path)
		out := make([]byte, 0, len(text))
		for _, c := range text { // each number becomes a lower one
			if c >= '2' && c <= '9' {
				c = '1'
			}
			out = append(out, c)
		}
		return errors.Join(err, os.WriteFile(path, out, 0o644))
	},
}

// From the files to the decision: whatever is wrong with whichever file, nothing
// is done to anybody, the offer never rises by it, and it is 0 where the file is
// one that the slack is made of.
func TestFaultyFiles(t *testing.T) {
	for _, shape := range []cgrouptest.Shape{cgrouptest.Split, cgrouptest.UnifiedV2} {
		for name := range newSuffering(t, shape).files() {
			for kind, fault := range faults {
				t.Run(fmt.Sprintf("%s/%s/%s", shape, name, kind), func(t *testing.T) {
					s := newSuffering(t, shape)
					s.suffer(s.files()[name], kind, fault)
				})
			}
		}
	}
}

func (s *suffering) suffer(f file, kind string, fault func(path string) error) {
	if kind == "missing" || kind == "failing" {
		// A descriptor that is open goes on reading a removed file of a copied tree,
		// unlike one of the kernel's: so it is wrong from the start.
		if err := fault(f.path); err != nil {
			s.t.Fatal(err)
		}
		s.kept[f.path] = true
		for i := range 25 {
			if free, acted := s.tick(); acted || f.decides && free != 0 {
				s.t.Fatalf("tick %d: offers %v, something was done: %v", i, free, acted)
			}
		}
		return
	}
	var before resources.Milli
	for i := range 25 {
		free, acted := s.tick()
		if acted {
			s.t.Fatalf("without a fault, tick %d: something was done", i)
		}
		before = free
	}
	if before == 0 {
		s.t.Fatal("nothing is offered without a fault")
	}
	if err := fault(f.path); err != nil {
		s.t.Fatal(err)
	}
	s.kept[f.path] = true
	var free resources.Milli
	for i := range 12 {
		var acted bool
		if free, acted = s.tick(); acted {
			s.t.Fatalf("tick %d with the fault: something was done", i)
		}
		if free > before {
			s.t.Fatalf("tick %d with the fault: offers %v after %v", i, free, before)
		}
	}
	// Counters that stand still, or went back once and stand still from there,
	// say that nothing is used, which cannot be told from a container that
	// sleeps; the highest use of the last minutes covers it.
	if still := kind == "frozen" || kind == "backwards"; f.decides && !still && free != 0 {
		s.t.Errorf("still offers %v", free)
	}
}
