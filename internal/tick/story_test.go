package tick

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// node is the world of a story: what the kernel would show, what the agent
// would report, and what reached the agent.
type node struct {
	now time.Time
	seq uint64

	containers []snapshot.Container
	busy       float64 // cores of the host that are busy
	treeWhy    snapshot.Absence

	report   *snapshot.Usage
	refuse   error
	offer    estimator.Offer
	killed   []qos.Victim
	inFlight []qos.InFlight
	dying    []qos.Victim
	observed []uint64
	// published counts the offers.
	published uint64
}

func newNode() *node {
	return &node{now: time.Unix(1_000_000, 0), treeWhy: snapshot.Present}
}

func (n *node) Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot {
	n.seq++
	s := &snapshot.Snapshot{Seq: n.seq, At: now, Usage: usage, TreeWhy: n.treeWhy, Host: snapshot.Host{
		At: now, CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(n.busy),
	}}
	for _, c := range n.containers {
		c.At = now
		if usage != nil {
			for i := range usage.Executors {
				if usage.Executors[i].ContainerID == c.ID {
					c.Executor = &usage.Executors[i]
				}
			}
		}
		s.Containers = append(s.Containers, c)
	}
	return s
}

func (n *node) Usage() *snapshot.Usage       { return n.report }
func (n *node) Observe(s *snapshot.Snapshot) { n.observed = append(n.observed, s.Seq) }
func (n *node) InFlight() []qos.InFlight     { return n.inFlight }
func (n *node) Dying() []qos.Victim          { return n.dying }
func (n *node) Publish(o estimator.Offer)    { n.offer, n.published = o, n.published+1 }

func (n *node) Kill(v qos.Victim) error {
	if n.refuse != nil {
		return n.refuse
	}
	n.killed = append(n.killed, v)
	n.inFlight = append(n.inFlight, qos.InFlight{Key: v.Key(), Since: n.now})
	return nil
}

// run puts a container on the node; use is its CPU use in cores.
func (n *node) run(id string, use float64) {
	n.stop(id)
	n.containers = append(n.containers, snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: uint64(len(id))}, OnDisk: true, FirstSeen: n.now.Add(-time.Hour),
		CPU: snapshot.CPU{UsageNanos: snapshot.CountOf(1), Cores: snapshot.ValueOf(use)},
	})
}

func (n *node) stop(id string) {
	kept := n.containers[:0]
	for _, c := range n.containers {
		if c.ID != id {
			kept = append(kept, c)
		}
	}
	n.containers = kept
}

// reports makes the agent report its executors now.
func (n *node) reports(executors ...snapshot.Executor) {
	n.report = &snapshot.Usage{
		At: n.now, Agent: "agent-1", Executors: executors,
		Total: resources.Quantities{{Name: resources.CPUs, Amount: 3800}},
	}
}

func executor(id string, regular, revocable resources.Milli) snapshot.Executor {
	e := snapshot.Executor{ContainerID: id, FrameworkID: "framework", ExecutorID: "executor-" + id}
	if regular > 0 {
		e.Regular.Set(resources.CPUs, regular)
	}
	if revocable > 0 {
		e.Revocable.Set(resources.CPUs, revocable)
		e.Own = e.Regular // overhead
	}
	e.Class = e.Classify()
	return e
}

// shortUsage is mode usage with times that a story can wait for.
func shortUsage(t *testing.T) estimator.Estimator {
	t.Helper()
	cfg := estimator.DefaultUsage()
	cfg.WarmUp, cfg.UnmanagedWindow = 10*time.Second, 2*time.Second
	r := &cfg.Resources[0]
	r.Predictor, r.Shadows, r.Margin = "container-max", nil, 0.1
	r.Peak = predict.Config{Interval: time.Second, Window: 10 * time.Second}
	r.Governor = estimator.GovernorConfig{Quantum: 100, Step: 1000, RaiseEvery: 2 * time.Second, DeadBand: 200, HoldOff: 20 * time.Second}
	e, err := estimator.NewUsage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func busyPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	p := policy.DefaultPolicy()
	p.Rules = []policy.Rule{{
		Name: "busy", Signal: signal.NodeCPU, Above: 0.95, Clear: 0.95, For: 3 * time.Second, Settle: 2 * time.Second,
		Action: policy.Kill, Immediate: true,
	}}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return &p
}

// tick steps the clock by a second and ticks once.
func (n *node) tick(l *Loop) *decision.Record {
	n.now = n.now.Add(time.Second)
	return l.Tick(n.now)
}

// until ticks until the condition holds and returns how many ticks that took.
func (n *node) until(t *testing.T, l *Loop, what string, limit int, holds func(*decision.Record) bool) int {
	t.Helper()
	for i := 1; i <= limit; i++ {
		if holds(n.tick(l)) {
			return i
		}
	}
	t.Fatalf("%s: not within %d ticks; offer %+v, qos %+v", what, limit, n.offer.Resources, l.Last().QoS)
	return 0
}

func gross(r *decision.Record) resources.Milli { return r.Offer.Resources[0].RevocableTotal }

func TestStoryFromSlackToPreemptionAndBack(t *testing.T) {
	n := newNode()
	var log strings.Builder
	l := New(Config{
		Sampler: n, Agent: n, Estimator: shortUsage(t), Policies: Always{busyPolicy(t)},
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	web := executor("web", 3000, 0)
	hog := executor("hog-batch", 100, 2000)

	// 1. A container runs, but no agent has said whose it is: nothing is offered.
	n.run("web", 0.5)
	n.busy = 0.6
	if r := n.tick(l); gross(r) != 0 || r.Offer.Resources[0].Why != reason.NoAgent || r.Containers.UnknownToAgent != 1 {
		t.Fatalf("without an agent: %+v, containers %+v; want 0 for no_agent and one unknown container", r.Offer.Resources[0], r.Containers)
	}

	// 2. The agent reports. 3 cpus are allocated, 0.5 used, 0.3 kept as margin:
	// 2.2 are handed out, 1 cpu at a time and 2 s apart.
	n.reports(web)
	if r := n.tick(l); gross(r) != 1000 || r.Offer.Resources[0].Why != reason.RaiseStep {
		t.Fatalf("first raise: gross %v for %s, want 1 for raise_step", gross(r), r.Offer.Resources[0].Why)
	}
	ticks := n.until(t, l, "all slack is offered", 10, func(r *decision.Record) bool { return gross(r) == 2200 })
	if ticks != 4 {
		t.Errorf("2.2 cpus after %d more ticks, want 4: two raises, 2 s apart", ticks)
	}
	if got := n.offer.Answer(n.report, n.now).String(); got != "cpus:2.2" {
		t.Errorf("the agent is answered %q, want cpus:2.2", got)
	}

	// 3. A best-effort task takes 2 of it: the sum stays, what is free shrinks.
	n.run("hog-batch", 1.9)
	n.busy = 2.5
	n.reports(web, hog)
	r := n.tick(l)
	if o := r.Offer.Resources[0]; o.RevocableTotal != 2200 || o.RevocableAllocated != 2000 || o.Offered != 200 {
		t.Errorf("with the hog: gross %v, allocated %v, free %v; want 2.2, 2, 0.2", o.RevocableTotal, o.RevocableAllocated, o.Offered)
	}
	if r.QoS.Why != reason.Calm {
		t.Errorf("qos is %s, want calm at 2.5 of 4 CPUs", r.QoS.Why)
	}

	// 4. The regular task wants its CPUs back: the offer is cut in the same
	// tick, and after 3 s of a busy node the hog is killed, once.
	n.run("web", 2.4)
	n.busy = 3.95
	r = n.tick(l)
	if gross(r) != 300 || r.Offer.Resources[0].Offered != 0 || r.QoS.Why != reason.Waiting {
		t.Errorf("at the onset: gross %v, free %v, qos %s; want 0.3, 0, waiting", gross(r), r.Offer.Resources[0].Offered, r.QoS.Why)
	}
	ticks = n.until(t, l, "the hog is killed", 10, func(r *decision.Record) bool { return len(r.QoS.Kills) > 0 })
	if ticks != 3 || len(n.killed) != 1 || n.killed[0].Key().ID != "hog-batch" {
		t.Fatalf("killed %v after %d more ticks, want the hog after 3", n.killed, ticks)
	}
	if text := n.killed[0].Cause().Text; !strings.Contains(text, "3.95 of 4 CPUs") {
		t.Errorf("cause %q does not say what was read", text)
	}

	// 5. It takes a while to die. Nothing else happens meanwhile.
	for range 5 {
		if r := n.tick(l); r.QoS.Why != reason.KillInFlight || len(n.killed) != 1 || r.InFlight != 1 {
			t.Fatalf("while the hog dies: qos %s, %d kills, %d in flight; want kill_in_flight, 1, 1", r.QoS.Why, len(n.killed), r.InFlight)
		}
	}

	// 6. It is gone. The regular task calms down, but what was freed is not
	// handed out again before the hold is over.
	killedAt := n.inFlight[0].Since
	n.inFlight = nil
	n.stop("hog-batch")
	n.reports(web)
	n.run("web", 0.5)
	n.busy = 0.6
	for n.now.Sub(killedAt) < 19*time.Second {
		if r := n.tick(l); gross(r) > 300 {
			t.Fatalf("%v promised %s after the kill, the hold is 20 s", gross(r), n.now.Sub(killedAt))
		}
	}
	n.until(t, l, "the slack is offered again", 20, func(r *decision.Record) bool { return gross(r) == 2200 })

	// 7. The tree cannot be read any more: the promise is gone at once, and
	// however busy the node is, nobody is killed.
	n.treeWhy, n.busy = snapshot.Denied, 4
	for range 6 {
		if r := n.tick(l); gross(r) != 0 || r.Offer.Resources[0].Why != reason.NoSamples || len(n.killed) != 1 {
			t.Fatalf("blind: gross %v for %s, %d kills; want 0 for no_samples and no further kill", gross(r), r.Offer.Resources[0].Why, len(n.killed))
		}
	}

	if len(n.observed) != int(n.seq) {
		t.Errorf("the agent's side saw %d of %d snapshots", len(n.observed), n.seq)
	}
	for _, want := range []string{
		`msg=offer resource=cpus offered=1 revocable_total=1 why=raise_step`, `msg=kill container=hog-batch framework=framework`,
		`revocable_total=0 why=no_samples`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if got := strings.Count(log.String(), "msg=kill "); got != 1 {
		t.Errorf("%d kills in the log, want 1", got)
	}
}

func TestARefusedKillIsLoudAndChangesNothingElse(t *testing.T) {
	n := newNode()
	n.refuse = errors.New("the queue said no")
	var log strings.Builder
	l := New(Config{
		Sampler: n, Agent: n, Estimator: shortUsage(t), Policies: Always{busyPolicy(t)},
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	n.run("web", 0.5)
	n.run("hog-batch", 3.3)
	n.busy = 3.99
	n.reports(executor("web", 2000, 0), executor("hog-batch", 100, 2000))
	for range 6 {
		n.tick(l)
	}
	if !strings.Contains(log.String(), `msg="kill refused"`) || !strings.Contains(log.String(), "the queue said no") {
		t.Errorf("the log does not tell of the refusal:\n%s", log.String())
	}
	if gross(l.Last()) == 0 {
		t.Errorf("the offer is held although nothing was killed")
	}
}

func TestRunTicksAtOnceAndThenEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		l := New(Config{Sampler: n, Agent: n, Estimator: estimator.NewNoop(), Log: slog.New(slog.DiscardHandler)})
		if l.Last() != nil {
			t.Error("there is a record before the first tick")
		}
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- l.Run(ctx, time.Second) }()
		synctest.Wait()
		if seq := l.Last().Seq; seq != 1 {
			t.Errorf("%d ticks at the start, want 1", seq)
		}
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if seq := l.Last().Seq; seq != 4 {
			t.Errorf("%d ticks after 3 s; want 4", seq)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunTicksWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		wake := make(chan struct{})
		l := New(Config{Sampler: n, Agent: n, Estimator: estimator.NewNoop(), Wake: wake, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx, time.Second) }()
		time.Sleep(500 * time.Millisecond)
		wake <- struct{}{}
		synctest.Wait()
		if seq := l.Last().Seq; seq != 2 {
			t.Errorf("%d ticks half a second after the start, woken once; want 2", seq)
		}
		time.Sleep(501 * time.Millisecond)
		synctest.Wait()
		if seq := l.Last().Seq; seq != 3 {
			t.Errorf("%d ticks after a second; want 3: being woken shifts nothing", seq)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunRefusesAnIntervalOfZero(t *testing.T) {
	l := New(Config{})
	if err := l.Run(t.Context(), 0); err == nil {
		t.Error("no error")
	}
}
