package fakeagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// patience is how long a test waits for what must come; it only runs out on
// failure.
const patience = 60 * time.Second

// events collects what the agent says.
type events struct {
	mu   sync.Mutex
	all  []Event
	more chan struct{}
}

func (e *events) observe(ev Event) {
	e.mu.Lock()
	e.all = append(e.all, ev)
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// await returns the first event that matches.
func (e *events) await(t *testing.T, what string, match func(Event) bool) Event {
	t.Helper()
	timeout := time.After(patience)
	for {
		e.mu.Lock()
		i := slices.IndexFunc(e.all, match)
		all := slices.Clone(e.all)
		e.mu.Unlock()
		if i >= 0 {
			return all[i]
		}
		select {
		case <-e.more:
		case <-timeout:
			t.Fatalf("no %s within %s, only %v", what, patience, all)
		}
	}
}

func kindOf(kind EventKind, task string) func(Event) bool {
	return func(e Event) bool { return e.Kind == kind && e.Task == task }
}

func offerOf(text string) func(Event) bool {
	return func(e Event) bool { return e.Kind == OfferChanged && e.Offer.Total.String() == text }
}

// start runs an agent against a stand-in daemon.
func start(t *testing.T) (*Agent, *daemon, *events) {
	t.Helper()
	d := &daemon{kills: make(chan []*wire.QoSCorrection)}
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	agentv1.RegisterOversubscriptionServer(server, d)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	ev := &events{more: make(chan struct{}, 1)}
	a, err := New(Config{
		Socket: socket, Purpose: "test", EstimateInterval: 10 * time.Millisecond,
		Total:   resources.Quantities{{Name: "cpus", Amount: 4000}, {Name: "mem", Amount: 4096000}},
		Observe: ev.observe, Log: slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, tree.ErrNoPlace) {
		t.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close the agent: %v", err)
		}
		for _, dir := range a.Tree().Dirs() {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", dir, err)
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return a, d, ev
}

func hog(t *testing.T, cores float64) *exec.Cmd {
	t.Helper()
	cmd, err := workload.Hog(cores, 1)
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

func quantities(cpus, mem resources.Milli) resources.Quantities {
	return resources.Quantities{{Name: "cpus", Amount: cpus}, {Name: "mem", Amount: mem * resources.Unit}}
}

// launchPair runs a regular and a revocable task.
func launchPair(t *testing.T, a *Agent, d *daemon, ev *events) {
	t.Helper()
	if err := a.Launch(Task{ID: "regular", Regular: quantities(1500, 64), Command: hog(t, 0.05)}); err != nil {
		t.Fatal(err)
	}
	d.set("cpus:1", nil)
	ev.await(t, "offer", offerOf("cpus:1"))
	err := a.Launch(Task{
		ID: "best-effort", Regular: resources.Quantities{{Name: "mem", Amount: 64 * resources.Unit}},
		Revocable: resources.Quantities{{Name: "cpus", Amount: 1000}}, Command: hog(t, 0.05),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func correction(a *Agent, task, container string) *wire.QoSCorrection {
	return &wire.QoSCorrection{Type: wire.QoSCorrection_KILL.Enum(), Kill: &wire.QoSCorrection_Kill{
		FrameworkId: &wire.FrameworkID{Value: proto.String(a.frameworkID)},
		ExecutorId:  &wire.ExecutorID{Value: proto.String(task)},
		ContainerId: &wire.ContainerID{Value: proto.String(container)},
	}}
}

func TestPreemption(t *testing.T) {
	a, d, ev := start(t)
	launchPair(t, a, d, ev)
	if err := a.Launch(Task{ID: "more", Revocable: quantities(1001, 0), Command: hog(t, 0)}); !errors.Is(err, ErrNotOffered) {
		t.Errorf("launching on what is not free gave %v, want ErrNotOffered", err)
	}
	victim := ev.await(t, "task", kindOf(TaskRunning, "best-effort")).Container
	bystander := ev.await(t, "task", kindOf(TaskRunning, "regular")).Container

	d.kills <- []*wire.QoSCorrection{correction(a, "best-effort", victim)}
	ev.await(t, "kill", kindOf(KillReceived, "best-effort"))
	ended := ev.await(t, "end", kindOf(TaskEnded, "best-effort"))
	if ended.State != "TASK_GONE" || ended.Reason != "REASON_CONTAINER_PREEMPTED" || ended.Container != victim {
		t.Errorf("the task ended as %v, want TASK_GONE REASON_CONTAINER_PREEMPTED of %s", ended, victim)
	}
	for _, dir := range a.Tree().Dirs() {
		if _, err := os.Stat(filepath.Join(dir, victim)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the victim's cgroup in %s is still there: %v", dir, err)
		}
		if _, err := os.Stat(filepath.Join(dir, bystander)); err != nil {
			t.Errorf("the regular task's cgroup: %v", err)
		}
	}
	if got := a.Offer().Allocated.String(); got != "" {
		t.Errorf("allocated revocable after the kill is %q, want none", got)
	}
}

func TestGuards(t *testing.T) {
	a, d, ev := start(t)
	launchPair(t, a, d, ev)
	regular := ev.await(t, "task", kindOf(TaskRunning, "regular")).Container
	revocable := ev.await(t, "task", kindOf(TaskRunning, "best-effort")).Container
	change := func(c *wire.QoSCorrection, f func(*wire.QoSCorrection)) *wire.QoSCorrection { f(c); return c }
	for name, c := range map[string]struct {
		correction *wire.QoSCorrection
		kind       EventKind
		text       string
	}{
		"regular container": {correction(a, "regular", regular), KillRefused, "nothing revocable"},
		"other container":   {correction(a, "best-effort", regular), KillIgnored, "not that of the executor"},
		"unknown executor":  {correction(a, "nobody", revocable), KillIgnored, "unknown executor"},
		"unknown framework": {change(correction(a, "best-effort", revocable), func(c *wire.QoSCorrection) { c.Kill.FrameworkId.Value = proto.String("other") }), KillIgnored, "unknown framework"},
		"no framework":      {change(correction(a, "best-effort", revocable), func(c *wire.QoSCorrection) { c.Kill.FrameworkId = nil }), KillIgnored, "no framework id"},
		"no executor":       {change(correction(a, "best-effort", revocable), func(c *wire.QoSCorrection) { c.Kill.ExecutorId = nil }), KillIgnored, "no executor id"},
		"no type":           {change(correction(a, "best-effort", revocable), func(c *wire.QoSCorrection) { c.Type = nil }), KillIgnored, "type UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			d.kills <- []*wire.QoSCorrection{c.correction}
			ev.await(t, "refusal", func(e Event) bool { return e.Kind == c.kind && strings.Contains(e.Text, c.text) })
		})
	}
	if e, kind, _ := a.accept(correction(a, "best-effort", revocable)); kind != KillReceived || e.task.ID != "best-effort" {
		t.Fatalf("the right correction gives %s", kind)
	}
	if _, kind, text := a.accept(correction(a, "best-effort", revocable)); kind != KillIgnored || !strings.Contains(text, "terminating already") {
		t.Errorf("a second one gives %s %s, want it ignored", kind, text)
	}
}

// TestUsage compares the report with what was recorded from a real agent for
// one regular and one revocable command task: the same resources, in the same
// form.
func TestUsage(t *testing.T) {
	a, d, ev := start(t)
	launchPair(t, a, d, ev)
	var usage *wire.ResourceUsage
	launched := func(u *wire.ResourceUsage) bool { // the calls before tell of queued tasks
		x := u.GetExecutors()
		return len(x) == 2 && len(x[0].GetTasks()) == 1 && len(x[1].GetTasks()) == 1
	}
	for deadline := time.Now().Add(patience); !launched(usage); usage = d.lastUsage() {
		if time.Now().After(deadline) {
			t.Fatalf("the report never had two launched tasks: %v", usage)
		}
		time.Sleep(time.Millisecond)
	}
	want := map[string]struct{ executor, allocated, task string }{
		"regular":     {"cpus:0.1 mem:32", "cpus:1.6 mem:96", "cpus:1.5 mem:64"},
		"best-effort": {"cpus:0.1 mem:32", "cpus:0.1 mem:96 cpus(rev):1", "mem:64 cpus(rev):1"},
	}
	for _, x := range usage.GetExecutors() {
		id := x.GetExecutorInfo().GetExecutorId().GetValue()
		got := struct{ executor, allocated, task string }{
			text(t, x.GetExecutorInfo().GetResources()), text(t, x.GetAllocated()), text(t, x.GetTasks()[0].GetResources()),
		}
		if got != want[id] {
			t.Errorf("%s holds %+v, want %+v", id, got, want[id])
		}
		if x.GetExecutorInfo().GetFrameworkId().GetValue() == "" || x.GetContainerId().GetValue() == "" || x.GetExecutorInfo().GetSource() != id {
			t.Errorf("%s lacks an id: %v", id, x)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("not in the report: %v", want)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if ids := slices.Compact(d.agentIDs); len(ids) != 1 || ids[0] != a.ID() {
		t.Errorf("calls were made as %q, want all as %q", ids, a.ID())
	}
}

// text is what is in the resources, and fails when they are not as a real
// agent makes them.
func text(t *testing.T, list []*wire.Resource) string {
	t.Helper()
	var words []string
	for _, r := range list {
		m, ok := resources.FromWire(r.GetScalar().GetValue())
		if r.GetType() != wire.Value_SCALAR || r.Type == nil || !ok || r.Role != nil || r.GetAllocationInfo().GetRole() != "*" {
			t.Errorf("not as the agent makes it: %v", r)
		}
		name := r.GetName()
		if r.Revocable != nil {
			name += "(rev)"
		}
		words = append(words, name+":"+m.String())
	}
	return strings.Join(words, " ")
}

func TestOfferFallsWithTheDaemon(t *testing.T) {
	a, d, ev := start(t)
	launchPair(t, a, d, ev)
	ev.await(t, "offer on top of what is allocated", offerOf("cpus:2"))
	d.set("", errors.New("out of order"))
	lost := ev.await(t, "loss", func(e Event) bool { return e.Kind == DaemonLost })
	if !strings.Contains(lost.Text, "out of order") {
		t.Errorf("the loss says %q", lost.Text)
	}
	ev.await(t, "offer of only what is allocated", func(e Event) bool {
		return e.Kind == OfferChanged && e.At.After(lost.At) && e.Offer.Total.String() == "cpus:1" && e.Offer.Free().IsZero()
	})
	d.set("cpus:0.5;mem:64", nil)
	ev.await(t, "recovery", func(e Event) bool { return e.Kind == DaemonFound })
	ev.await(t, "offer", offerOf("cpus:1.5;mem:64"))
}

func TestTaskEnds(t *testing.T) {
	a, _, ev := start(t)
	service, err := workload.Service(0, 0) // its input is empty, so it is done at once
	if err != nil {
		t.Fatal(err)
	}
	failing := hog(t, 0)
	failing.Args = append(failing.Args, "-no-such-flag")
	for name, c := range map[string]struct {
		command     *exec.Cmd
		state, text string
	}{
		"done":   {service, "TASK_FINISHED", ""},
		"failed": {failing, "TASK_FAILED", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := a.Launch(Task{ID: name, Regular: quantities(100, 32), Command: c.command}); err != nil {
				t.Fatal(err)
			}
			ended := ev.await(t, "end", kindOf(TaskEnded, name))
			if ended.State != c.state || ended.Text != c.text {
				t.Errorf("the task ended as %v, want %s %q", ended, c.state, c.text)
			}
		})
	}
}

func TestLaunchFails(t *testing.T) {
	a, _, ev := start(t)
	cmd := hog(t, 0)
	cmd.Path = "/nonexistent/command"
	err := a.Launch(Task{ID: "x", Regular: quantities(100, 32), Command: cmd})
	if a.Tree().V2() { // there the command is forked; on v1 a stage becomes it later
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("launch gives %v, want that there is no such file", err)
		}
	} else {
		if err != nil {
			t.Fatal(err)
		}
		if ended := ev.await(t, "end", kindOf(TaskEnded, "x")); ended.State != "TASK_FAILED" {
			t.Errorf("the task ended as %v, want TASK_FAILED", ended)
		}
	}
	if usage := a.usage(); len(usage.GetExecutors()) != 0 {
		t.Errorf("the report still has %v", usage.GetExecutors())
	}
}

func TestBadTasks(t *testing.T) {
	a, _, _ := start(t)
	for name, c := range map[string]struct {
		task Task
		want error
	}{
		"no id":       {Task{Command: hog(t, 0)}, ErrBadTask},
		"no command":  {Task{ID: "x"}, ErrBadTask},
		"mixed":       {Task{ID: "x", Command: hog(t, 0), Regular: quantities(1, 0), Revocable: quantities(1, 0)}, ErrBadTask},
		"too large":   {Task{ID: "x", Command: hog(t, 0), Regular: quantities(4001, 0)}, ErrNotOffered},
		"not offered": {Task{ID: "x", Command: hog(t, 0), Revocable: quantities(1, 0)}, ErrNotOffered},
	} {
		t.Run(name, func(t *testing.T) {
			if err := a.Launch(c.task); !errors.Is(err, c.want) {
				t.Errorf("launch gives %v, want %v", err, c.want)
			}
		})
	}
}

// TestParseEstimate: an answer is read as the agent's own Resources::parse does.
func TestParseEstimate(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "cpus:1.5": "cpus:1.5", "mem:512;cpus:0.001": "cpus:0.001;mem:512", "cpus:1;cpus:2": "cpus:3",
	} {
		got, err := resources.Parse(in)
		if err != nil || got.String() != want {
			t.Errorf("resources.Parse(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"cpus", "cpus:", "cpus:-1", "cpus:nan", "cpus:1e300", "ports:[1-2]"} {
		if got, err := resources.Parse(in); err == nil {
			t.Errorf("resources.Parse(%q) = %q, want an error", in, got)
		}
	}
}

// A task of a role takes from its reservation, and the overhead from what is
// unreserved, as a real agent reports it.
func TestReservedUsage(t *testing.T) {
	a := &Agent{cfg: Config{
		Total:    resources.Quantities{{Name: "cpus", Amount: 4_000}, {Name: "mem", Amount: 1024_000}},
		Reserved: map[string]resources.Quantities{"web": {{Name: "cpus", Amount: 3_000}}},
	}}
	web := &executor{task: Task{ID: "w", Role: "web", Regular: resources.Quantities{{Name: "cpus", Amount: 2_000}}}, state: running}
	if err := a.admit(web); err != nil {
		t.Fatal(err)
	}
	for _, refused := range []Task{
		{ID: "x", Role: "web", Regular: resources.Quantities{{Name: "cpus", Amount: 1_001}}},
		{ID: "y", Regular: resources.Quantities{{Name: "cpus", Amount: 1_001}}},
		{ID: "z", Role: "none", Regular: resources.Quantities{{Name: "cpus", Amount: 1}}},
	} {
		if err := a.admit(&executor{task: refused}); !errors.Is(err, ErrNotOffered) {
			t.Errorf("%s: %v", refused.ID, err)
		}
	}
	u := a.usage()
	roles := func(rs []*wire.Resource) string {
		var all strings.Builder
		for _, r := range rs {
			role := "*"
			if n := len(r.GetReservations()); n > 0 {
				role = r.GetReservations()[n-1].GetRole()
			}
			_, _ = fmt.Fprintf(&all, "%s(%s):%v ", r.GetName(), role, r.GetScalar().GetValue())
		}
		return all.String()
	}
	if got, want := roles(u.GetTotal()), "cpus(*):1 mem(*):1024 ports(*):0 cpus(web):3 "; got != want {
		t.Errorf("total %s, want %s", got, want)
	}
	if got, want := roles(u.GetExecutors()[0].GetAllocated()), "cpus(*):0.1 mem(*):32 cpus(web):2 "; got != want {
		t.Errorf("allocated %s, want %s", got, want)
	}
}
