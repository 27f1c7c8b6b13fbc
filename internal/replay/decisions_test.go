package replay

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// living is a node of 4 CPUs on which a real loop runs, which records and logs.
type living struct {
	t    *testing.T
	dir  string
	loop *tick.Loop
	rec  *recording.Writer
	log  *decisionlog.Writer

	estimator estimator.Estimator
	policy    *policy.Policy
	orders    qos.Commands
	resume    qos.Resume
	start     *recording.Start

	began, now time.Time
	seq        uint64
	busy       float64
	treeWhy    snapshot.Absence
	containers []snapshot.Container
	usage      *snapshot.Usage
	inFlight   []qos.InFlight
	killed     []qos.Victim
	// unrecorded and unlogged are ticks that shall be missing.
	unrecorded, unlogged bool
	seen                 map[reason.Code]int
}

func (n *living) Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot {
	n.seq++
	s := &snapshot.Snapshot{Seq: n.seq, At: now, Uptime: time.Hour + now.Sub(n.began), Usage: usage, TreeWhy: n.treeWhy, Host: snapshot.Host{
		At: now.Add(37 * time.Microsecond), CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(n.busy), Load5: snapshot.ValueOf(1 / 3.),
	}}
	for _, c := range n.containers {
		c.At = now.Add(time.Duration(len(c.ID)) * time.Microsecond)
		for i := range usage.Executors {
			if usage.Executors[i].ContainerID == c.ID {
				c.Executor = &usage.Executors[i]
			}
		}
		s.Containers = append(s.Containers, c)
	}
	return s
}

func (n *living) Usage() *snapshot.Usage     { return n.usage }
func (n *living) Observe(*snapshot.Snapshot) {}
func (n *living) InFlight() []qos.InFlight   { return slices.Clone(n.inFlight) }
func (n *living) Dying() []qos.Victim        { return n.killed }
func (n *living) Publish(estimator.Offer)    {}
func (n *living) Current() *policy.Policy    { return n.policy }

func (n *living) Kill(v qos.Victim) error {
	n.killed = append(n.killed, v)
	n.inFlight = append(n.inFlight, qos.InFlight{Key: v.Key(), Since: n.now})
	return nil
}

// kept is the loop's observer: it logs and records.
type kept struct{ *living }

func (k *kept) Observe(r *decision.Record, s *snapshot.Snapshot) {
	k.seen[r.QoS.Why]++
	k.seen[r.Offer.Resources[0].Why]++
	for range r.QoS.Actions.Throttles {
		k.seen[reason.Throttled]++
	}
	if !k.unlogged {
		k.log.Observe(r, s)
	}
	if k.unrecorded {
		return
	}
	if err := k.rec.Record(&recording.Tick{Snapshot: s, Wall: s.At, Inputs: recording.InputsOf(r, k.start)}); err != nil {
		k.t.Fatal(err)
	}
	k.start = nil
}

func livingEstimator(seed uint64) (estimator.Estimator, error) {
	cfg := estimator.DefaultUsage()
	r := &cfg.Resources[0]
	r.Peak.Horizon, r.Shadows = 10*time.Second, []string{"container-max"}
	r.Governor.Hold, r.Governor.HoldOff, r.Governor.RaiseEvery = 5*time.Second, 100*time.Second, 2*time.Second
	r.Governor.Seed = seed
	cfg.WarmUp = time.Second
	return estimator.NewUsage(cfg)
}

func livingPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	p := policy.DefaultPolicy()
	p.Ladder.Dwell, p.Victims.MinUsage = 3*time.Second, 0.05
	cpu := signal.Of(signal.NodeCPU).Rule()
	cpu.Name, cpu.Above, cpu.Clear, cpu.For, cpu.Settle = "busy", 0.9, 0.8, 2*time.Second, 4*time.Second
	shadow := cpu
	shadow.Name, shadow.Above, shadow.Clear, shadow.Shadow = "sooner", 0.5, 0.4, true
	p.Rules = []policy.Rule{cpu, shadow}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return &p
}

func newLiving(t *testing.T) *living {
	n := &living{t: t, dir: t.TempDir(), now: time.Now(), treeWhy: snapshot.Present, policy: livingPolicy(t), seen: map[reason.Code]int{}}
	n.began = n.now
	n.boot(nil)
	return n
}

// boot starts a daemon.
func (n *living) boot(start *recording.Start) {
	n.t.Helper()
	if start == nil {
		start = &recording.Start{Seed: 42}
	}
	var err error
	if n.estimator, err = livingEstimator(start.Seed); err != nil {
		n.t.Fatal(err)
	}
	if len(start.Checkpoint) > 0 {
		var c estimator.Checkpoint
		if err := json.Unmarshal(start.Checkpoint, &c); err != nil {
			n.t.Fatal(err)
		}
		if err := n.estimator.Restore(&c); err != nil {
			n.t.Fatal(err)
		}
	}
	n.start, n.seq, n.inFlight = start, 0, nil
	quiet := slog.New(slog.DiscardHandler)
	if n.rec, err = recording.Create(filepath.Join(n.dir, "recording"), recording.Options{Queue: 4096}, quiet); err != nil {
		n.t.Fatal(err)
	}
	if n.log, err = decisionlog.Create(filepath.Join(n.dir, "decisions"), decisionlog.Options{Queue: 4096}, quiet); err != nil {
		n.t.Fatal(err)
	}
	k := &kept{living: n}
	var resume qos.Resume
	if len(start.Decisions) > 0 {
		if err := json.Unmarshal(start.Decisions, &resume); err != nil {
			n.t.Fatal(err)
		}
	}
	n.loop = tick.New(tick.Config{
		Sampler: n, Agent: n, Estimator: n.estimator, Policies: n, Commands: func() qos.Commands { return n.orders }, Resume: resume, Keep: func(r qos.Resume) { n.resume = r },
		Observers: []tick.Observer{k}, Log: quiet,
	})
}

// halt ends the daemon and returns what the next one starts with.
func (n *living) halt() *recording.Start {
	n.t.Helper()
	if err := n.log.Close(); err != nil {
		n.t.Fatal(err)
	}
	if err := n.rec.Close(); err != nil {
		n.t.Fatal(err)
	}
	c, err := json.Marshal(n.estimator.Save())
	if err != nil {
		n.t.Fatal(err)
	}
	n.now = n.now.Add(time.Second)
	s := &recording.Start{Seed: 42, Checkpoint: c}
	if s.Decisions, err = json.Marshal(n.resume); err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n *living) run(id string, class snapshot.Class, cores float64) {
	n.containers = append(slices.Clone(n.containers), snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: uint64(len(n.containers) + 1)}, OnDisk: true, FirstSeen: n.now.Add(-time.Minute),
		CPU: snapshot.CPU{UsageNanos: snapshot.CountOf(1), Cores: snapshot.ValueOf(cores)},
	})
	slices.SortFunc(n.containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
	x := snapshot.Executor{ContainerID: id, FrameworkID: "f", ExecutorID: "executor-" + id}
	amount := resources.Quantities{{Name: resources.CPUs, Amount: 1500}}
	if class == snapshot.ClassRegular {
		x.Regular = amount
	} else {
		x.Revocable = amount
	}
	x.Tasks = []snapshot.Task{{ID: "task-" + id, Regular: x.Regular, Revocable: x.Revocable}}
	x.Class = x.Classify()
	u := snapshot.Usage{Agent: "agent", Total: resources.Quantities{{Name: resources.CPUs, Amount: 4000}}}
	if n.usage != nil {
		u = *n.usage
	}
	u.At, u.Executors = n.now, append(slices.Clone(u.Executors), x)
	n.usage = &u
}

func (n *living) end(id string) {
	n.containers = slices.DeleteFunc(slices.Clone(n.containers), func(c snapshot.Container) bool { return c.ID == id })
	n.inFlight = slices.DeleteFunc(n.inFlight, func(f qos.InFlight) bool { return f.ID == id })
}

// ticks lets n seconds pass, a little more or less each.
func (n *living) ticks(count int) {
	for i := range count {
		n.now = n.now.Add(time.Second + time.Duration(i*i%1000)*time.Microsecond)
		if i%10 == 0 && n.usage != nil {
			u := *n.usage
			u.At = n.now.Add(-time.Millisecond)
			n.usage = &u
		}
		n.loop.Tick(n.now)
	}
}

// setClock turns the calendar by d: only a machine's clock can really do that.
func (n *living) setClock(d time.Duration) {
	n.now = n.now.Add(d)
	(*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&n.now)).ext -= int64(d)
}

// history is kills, throttles, a blind spell, an order, a policy that is loaded
// again, and a restart.
func (n *living) history() {
	n.run("web", snapshot.ClassRegular, 0.5)
	n.run("api", snapshot.ClassRegular, 0.25)
	n.ticks(1)
	n.run("hog", snapshot.ClassRevocable, 1.1)
	n.run("small", snapshot.ClassRevocable, 0.3)
	n.busy = 2.2
	n.ticks(40)
	n.busy = 3.97
	n.ticks(30) // throttled, then the hog is killed
	n.end("hog")
	n.ticks(20)
	n.busy = 1
	n.ticks(40)
	n.treeWhy = snapshot.Denied
	n.ticks(5)
	n.treeWhy = snapshot.Present
	again := *n.policy
	n.policy = &again
	n.orders = qos.Commands{ResetBudget: true, Paused: true}
	n.ticks(3)
	n.orders = qos.Commands{}
	n.ticks(70)
	n.boot(n.halt())
	n.busy = 3.99
	n.ticks(40)
}

func (n *living) replay(policies ...*policy.Policy) *DecisionsReport {
	n.t.Helper()
	if len(policies) == 0 {
		policies = []*policy.Policy{livingPolicy(n.t)}
	}
	r, err := Decisions(&DecisionsRequest{
		Recording: filepath.Join(n.dir, "recording"), Log: filepath.Join(n.dir, "decisions"),
		Estimator: livingEstimator, Policies: policies,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

const historyTicks = 1 + 40 + 30 + 20 + 40 + 5 + 3 + 70 + 40

func TestDecisionsReplayByteForByte(t *testing.T) {
	n := newLiving(t)
	n.history()
	n.boot(n.halt()) // while nothing may be raised
	n.setClock(time.Minute)
	n.busy = 0.8
	n.ticks(30)
	n.setClock(-3 * time.Hour)
	n.ticks(20)
	n.setClock(25 * time.Hour)
	n.ticks(20)
	n.halt()
	for _, why := range []reason.Code{reason.Preempt, reason.KillInFlight, reason.Throttled, reason.Climbing, reason.Blind, reason.Paused, reason.NoSamples, reason.Hold, reason.Stopped} {
		if n.seen[why] == 0 {
			t.Errorf("the history has no %s, so it shows little: %v", why, n.seen)
		}
	}
	r := n.replay()
	if r.First != nil {
		t.Fatal(r.First)
	}
	if want := historyTicks + 70; r.Starts != 3 || r.Ticks != want || r.Same != want || r.Unlogged != 0 || r.Unrecorded != 0 {
		t.Errorf("%+v, want 3 starts and %d ticks, all the same", r, want)
	}
}

func TestAReplayShowsWhatCameOutOtherwise(t *testing.T) {
	n := newLiving(t)
	n.history()
	n.halt()
	r, err := Decisions(&DecisionsRequest{
		Recording: filepath.Join(n.dir, "recording"), Log: filepath.Join(n.dir, "decisions"), Policies: []*policy.Policy{livingPolicy(t)},
		Estimator: func(uint64) (estimator.Estimator, error) {
			cfg := estimator.DefaultUsage()
			return estimator.NewUsage(cfg)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.First == nil || r.Same >= r.Ticks || r.First.Logged == r.First.Replayed {
		t.Errorf("with another estimator: %+v", r)
	}
	other := *livingPolicy(t)
	other.Rules[0].Above = 0.93
	r = n.replay(&other)
	if r.Ticks != 0 || len(r.Ends) != 2 || !strings.Contains(r.Ends[0], "tick 1 was decided by the policy "+livingPolicy(t).Hash()) {
		t.Errorf("with another policy: %+v", r)
	}
}

func TestAReplayKnowsWhatIsMissing(t *testing.T) {
	n := newLiving(t)
	n.run("web", snapshot.ClassRegular, 0.5)
	n.ticks(10)
	n.unlogged = true
	n.ticks(2)
	n.unlogged = false
	n.ticks(8)
	n.unrecorded = true
	n.ticks(3)
	n.unrecorded = false
	n.ticks(5)
	n.boot(n.halt())
	n.ticks(4)
	n.boot(n.halt())
	n.unrecorded = true
	n.ticks(1) // the first of a daemon
	n.unrecorded = false
	n.ticks(2)
	n.halt()
	r := n.replay()
	if r.Starts != 3 || r.Ticks != 24 || r.Same != 22 || r.Unlogged != 2 || r.Unrecorded != 11 || r.First != nil {
		t.Errorf("%+v, want 24 ticks, 2 not logged and 11 that could not be decided", r)
	}
	want := []string{"ticks 21 to 23 are missing in the recording", "the daemon was started again", "ticks 1 to 1 are missing in the recording"}
	if !slices.Equal(r.Ends, want) {
		t.Errorf("ends %q, want %q", r.Ends, want)
	}
}
