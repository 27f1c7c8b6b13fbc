package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// What a user is told at the end of each recorded scenario. The job asks for
// more than there is, so that it only watches; its statuses are those of the
// recorded tasks.
func TestRecordings(t *testing.T) {
	scenarios, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	n := 0
	for _, dir := range scenarios {
		if !dir.IsDir() {
			continue
		}
		n++
		for i, run := range runs(t, dir.Name()) {
			fmt.Fprintf(&got, "%s, framework %d\n", dir.Name(), i+1)
			p, masters := play(t, dir.Name(), slices.Clone(run))
			j := newJob(t, masters, "watcher", "regular")
			j.Ask.CPUs = 1_000_000
			if first := run[0]; dir.Name() == "failover-timeout" && i > 0 { // registers with an id
				var call scheduler.Call
				if err := json.Unmarshal(first.Request.Body, &call); err != nil {
					t.Fatal(err)
				}
				j.Info.ID = call.FrameworkID
			}
			err := j.Run(t.Context())
			if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
				t.Errorf("%s ended with %v", dir.Name(), err)
			} else {
				fmt.Fprintf(&got, "  (%s)\n", refused.Text)
			}
			acknowledged(t, p, run)
			for _, id := range slices.Sorted(maps.Keys(j.statuses)) {
				s := j.statuses[id]
				var group []scheduler.TaskStatus
				for _, other := range j.statuses {
					if other.ExecutorID == s.ExecutorID {
						group = append(group, other)
					}
				}
				fmt.Fprintf(&got, "  %s: %s\n", id, Explain(&s, group))
			}
		}
	}
	if n != 23 {
		t.Errorf("%d scenarios", n)
	}
	const golden = "testdata/says.golden"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// acknowledged checks that each update of the streams that waits for it is
// acknowledged, and no other.
func acknowledged(t *testing.T, p *player, run []exchange) {
	t.Helper()
	want := map[string]int{}
	for _, e := range run {
		if e.Response.Status != 200 {
			continue
		}
		stream, err := os.ReadFile(eventsFile(p.scenario, e.Stream))
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records(t, stream) {
			if e := decode(t, record); e.Type == "UPDATE" && e.Update.Status.UUID != "" {
				s := e.Update.Status
				want[s.TaskID.Value+" "+s.AgentID.Value+" "+s.UUID]++
			}
		}
	}
	for _, c := range p.of("ACKNOWLEDGE") {
		want[c.Acknowledge.TaskID.Value+" "+c.Acknowledge.AgentID.Value+" "+c.Acknowledge.UUID]--
	}
	for update, n := range want {
		if n != 0 {
			t.Errorf("%s: %s: %d acknowledgements too few", p.scenario, update, n)
		}
	}
}

// until holds updates back until the task has been accepted, and the answer to
// RECONCILE until it was asked for.
func until(e *scheduler.Event) (string, int) {
	switch {
	case e.Type == "UPDATE" && e.Update.Status.Reason == reasonReconciled:
		return "RECONCILE", 1
	case e.Type == "UPDATE" || e.Type == "RESCIND":
		return "ACCEPT", 1
	}
	return "SUBSCRIBE", 1
}

// replay runs a job of a task against one recorded framework.
func replay(t *testing.T, scenario, name string, change func(*Job, *player)) (*Job, *player, error) {
	t.Helper()
	p, masters := play(t, scenario, runs(t, scenario)[0])
	p.after = until
	j := newJob(t, masters, name, "revocable")
	if change != nil {
		change(j, p)
	}
	return j, p, j.Run(t.Context())
}

// A revocable task gets what was offered as it was offered, is preempted, and
// nothing of the framework stays.
func TestPreemption(t *testing.T) {
	j, p, err := replay(t, "accept-revocable-preempted", "be", nil)
	if err != nil {
		t.Error(err)
	}
	i := j.all[0]
	if i.Kind != "revocable" || i.Preemptions != 1 || i.Attempts != 1 || i.State != "TASK_GONE" || j.ExitCode() != 137 {
		t.Errorf("%+v, exit code %d", i, j.ExitCode())
	}
	accepts := p.of("ACCEPT")
	if len(accepts) != 1 {
		t.Fatalf("%d ACCEPTs", len(accepts))
	}
	got, err := json.Marshal(accepts[0].Accept.Operations[0].Launch.TaskInfos[0].Resources)
	const want = `[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{},"role":"*","allocation_info":{"role":"*"}},` +
		`{"name":"mem","type":"SCALAR","scalar":{"value":64},"role":"*","allocation_info":{"role":"*"}}]`
	if err != nil || string(got) != want {
		t.Errorf("launched with %s, want %s", got, want)
	}
	if len(p.of("TEARDOWN")) != 1 || len(p.of("SUPPRESS")) == 0 {
		t.Error("not torn down, or not suppressed")
	}
}

// A preempted task is launched again under a new id when it may be, and the
// framework asks for offers again.
func TestRetryOnPreemption(t *testing.T) {
	j, p, err := replay(t, "task-group", "twin", func(j *Job, p *player) {
		// The first preemption of the recording is that of a-3; what is offered then
		// holds 2 revocable cpus. The job's task stands for it.
		p.rename = func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`"a-3"`), []byte(`"twin-1"`)) }
		p.after = func(e *scheduler.Event) (string, int) {
			if e.Type == "UPDATE" && e.Update.Status.TaskID.Value == "a-3" {
				return "ACCEPT", 1
			}
			if e.Type == "UPDATE" && e.Update.Status.TaskID.Value == "regular-1" && e.Update.Status.State == "TASK_KILLED" {
				return "REVIVE", 1
			}
			return "SUBSCRIBE", 1
		}
		j.Retries = 3
	})
	if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	if i := j.all[0]; i.Preemptions != 1 || i.ExitCode != nil {
		t.Errorf("%+v", i)
	}
	if len(p.of("REVIVE")) == 0 {
		t.Error("no REVIVE")
	}
}

// The offer is rescinded while it is being accepted: the task was never launched,
// waits on, and goes to the next valid offer under a new id.
func TestRescindWhileAccepting(t *testing.T) {
	j, p, err := replay(t, "rescind", "late", nil)
	if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	accepts := p.of("ACCEPT")
	if len(accepts) < 2 {
		t.Fatalf("%d ACCEPTs", len(accepts))
	}
	for i, want := range []struct{ offer, task string }{{"-O0", "late-1"}, {"-O1", "late-1.2"}} {
		a := accepts[i].Accept
		if len(a.OfferIDs) != 1 || !strings.HasSuffix(a.OfferIDs[0].Value, want.offer) || a.Operations[0].Launch.TaskInfos[0].TaskID.Value != want.task {
			t.Errorf("ACCEPT %d: %+v", i, a)
		}
	}
	if i := j.all[0]; i.Attempts != 2 || i.Preemptions != 0 {
		t.Errorf("%+v", i)
	}
}

// Regular memory and revocable cpus come back in offers of their own, and are
// accepted together.
func TestSeparateOffers(t *testing.T) {
	_, p, err := replay(t, "rescind-not-partition-aware", "both", func(j *Job, p *player) {
		p.after = func(e *scheduler.Event) (string, int) {
			if e.Type == "UPDATE" && e.Update.Status.TaskID.Value == "late-2" {
				return "ACCEPT", 1
			}
			return "SUBSCRIBE", 1
		}
	})
	if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	a := p.of("ACCEPT")
	if len(a) == 0 {
		t.Fatal("nothing was accepted")
	}
	for _, c := range a {
		for _, id := range c.Accept.OfferIDs {
			if strings.HasSuffix(id.Value, "-O27") && len(c.Accept.OfferIDs) > 1 {
				t.Errorf("a rescinded offer was accepted: %v", c.Accept.OfferIDs)
			}
		}
	}
}

// After the connection was lost, the framework subscribes with its id, asks for
// its tasks, and takes the update that it has missed.
func TestFailover(t *testing.T) {
	j, p, err := replay(t, "failover", "be", func(j *Job, _ *player) { j.Instances = 2 })
	if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	if a := p.of("ACCEPT"); len(a) != 1 || len(a[0].Accept.Operations[0].Launch.TaskInfos) != 2 {
		t.Errorf("ACCEPT %+v", a)
	}
	for n, s := range p.of("SUBSCRIBE") {
		if id := s.Subscribe.FrameworkInfo.ID; (n > 0) != (id != nil) || n > 0 && (*id != *s.FrameworkID || !strings.HasSuffix(id.Value, "-0000")) {
			t.Errorf("SUBSCRIBE %d: %+v", n, s)
		}
	}
	r := p.of("RECONCILE")
	if len(r) == 0 || len(r[0].Reconcile.Tasks) == 0 || r[0].Reconcile.Tasks[0].AgentID.Value == "" {
		t.Errorf("RECONCILE %+v", r)
	}
	if one, two := j.all[0], j.all[1]; one.ExitCode != nil || one.State != "TASK_RUNNING" || two.ExitCode == nil || *two.ExitCode != 0 {
		t.Errorf("%+v, %+v", one, two)
	}
}

// A master that starts again refuses, answers 404 and 503, and knows no task
// until the agent is back.
func TestMasterRestart(t *testing.T) {
	j, p, err := replay(t, "master-restart", "be", nil)
	if refused := (*scheduler.RefusedError)(nil); !errors.As(err, &refused) {
		t.Error(err)
	}
	if n := len(p.of("SUBSCRIBE")); n != 5 { // 200, 404, 503, 200, removed
		t.Errorf("%d SUBSCRIBEs", n)
	}
	if i := j.all[0]; i.State != "TASK_RUNNING" || i.Attempts != 1 || !i.unsure.IsZero() {
		t.Errorf("%+v", i)
	}
}

// A task whose agent is lost may come back, and is over when an operator gives
// the agent up.
func TestAgentLoss(t *testing.T) {
	var states []string
	j, _, err := replay(t, "agent-restart-and-loss", "be-aware", func(j *Job, p *player) {
		p.rename = func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte(`{"value":"be-aware"}`), []byte(`{"value":"be-aware-1"}`))
		}
		log := j.Log
		j.Log = func(format string, args ...any) {
			log(format, args...)
			states = append(states, fmt.Sprintf(format, args...))
		}
		p.after = func(e *scheduler.Event) (string, int) {
			if e.Type == "UPDATE" {
				return "ACCEPT", 1
			}
			return "SUBSCRIBE", 1
		}
	})
	if err != nil {
		t.Error(err)
	}
	if i := j.all[0]; i.State != "TASK_GONE_BY_OPERATOR" || j.ExitCode() != ExitFailed {
		t.Errorf("%+v", i)
	}
	all := strings.Join(states, "\n")
	for _, want := range []string{"unreachable, it may come back: health check timed out (REASON_AGENT_REMOVED)", "running", "an operator gave its agent up"} {
		if _, rest, ok := strings.Cut(all, want); ok {
			all = rest
		} else {
			t.Errorf("%q is not said, or not in its order: %q", want, states)
		}
	}
}

// Ctrl-C kills the task, waits for its end, and removes the framework.
func TestInterrupt(t *testing.T) {
	p, masters := play(t, "kill-task", runs(t, "kill-task")[0])
	p.rename = func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`"easy"`), []byte(`"easy-1"`)) }
	p.after = func(e *scheduler.Event) (string, int) {
		if e.Type == "UPDATE" && strings.HasPrefix(e.Update.Status.State, "TASK_KILL") {
			return "KILL", 1
		}
		return until(e)
	}
	j := newJob(t, masters, "easy", "revocable")
	ctx, interrupt := context.WithCancel(t.Context())
	log := j.Log
	j.Log = func(format string, args ...any) {
		if log(format, args...); strings.HasSuffix(fmt.Sprintf(format, args...), "running") {
			interrupt()
		}
	}
	if err := j.Run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Error(err)
	}
	if i := j.all[0]; i.State != "TASK_KILLED" || *i.ExitCode != 143 {
		t.Errorf("%+v", i)
	}
	if len(p.of("KILL")) != 1 || len(p.of("TEARDOWN")) != 1 {
		t.Error("no KILL, or no TEARDOWN")
	}
}

// What ends a task, in exit codes.
func TestExitCodes(t *testing.T) {
	stream, err := os.ReadFile(eventsFile("task-ends", 1))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"finished": 0, "failed": 3, "signal": 139, "oom": 125, "no-command": 127, "elsewhere": 125, "a/b": 125, "twice": 143}
	last := map[string]scheduler.TaskStatus{}
	for _, record := range records(t, stream) {
		if e := decode(t, record); e.Type == "UPDATE" {
			last[e.Update.Status.TaskID.Value] = e.Update.Status
		}
	}
	for task, code := range want {
		s, ok := last[task]
		if got := exitCode(&s); !ok || got != code {
			t.Errorf("%s: exit code %d, want %d (%+v)", task, got, code, s)
		}
	}
}
