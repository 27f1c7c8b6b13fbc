package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

func TestKills(t *testing.T) {
	victims := func(text string) (all []qos.Victim) { // as they are in a log
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	weighed := []decision.Eligible{{Candidate: qos.Candidate{Key: snapshot.Key{ID: "0ba6dcbe-7a3b"}, ExecutorID: "e", Why: reason.Eligible}, Tasks: []string{"batch.7"}}}
	dying := []decision.Dying{{InFlight: qos.InFlight{Key: snapshot.Key{ID: "0ba6dcbe-7a3b"}}}}
	dir := decisions(
		t, &decision.Record{Weighed: true, Eligible: weighed},
		&decision.Record{QoS: qos.Decision{Kills: victims(`[{"id":"0ba6dcbe-7a3b","executor_id":"e","rule":"busy","text":"busy: 97 % above 92\u001b %; killing it"}]`)}},
		&decision.Record{Dying: dying},
		&decision.Record{QoS: qos.Decision{Shadow: &qos.ShadowDecision{Decision: qos.Decision{Kills: victims(`[{"id":"c2","executor_id":"e2","text":"full: no memory"}]`)}}}},
	)
	run := func(want int, args ...string) string {
		t.Helper()
		root := newRoot()
		var out bytes.Buffer
		root.SetArgs(append([]string{"kills", "--dir", dir}, args...))
		root.SetOut(&out)
		root.SetErr(&out)
		if code := exitCode(root.ExecuteContext(t.Context()), &out); code != want {
			t.Errorf("kills %q: exit %d, want %d: %s", args, code, want, &out)
		}
		return out.String()
	}
	want := `2026-03-01 12:00:01  0ba6dcbe  batch.7  busy: 97 % above 92? %; it was gone 2 s later
2026-03-01 12:00:03  c2        e2       full: no memory; nothing was done
`
	if got := run(0, "--since="); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := run(0, "--since", "2026-03-01T12:00:02Z"); strings.Contains(got, "batch.7") || !strings.Contains(got, "c2") {
		t.Errorf("since: %s", got)
	}
	if got := run(0); got != "nothing was killed, --since \"24h\"\n" {
		t.Errorf("of the last day: %q", got)
	}
	var kills []explain.Killed
	if err := json.Unmarshal([]byte(run(0, "--since=", "--json")), &kills); err != nil || len(kills) != 2 || !kills[0].Outcome.Gone || !kills[1].Shadow || kills[0].Tasks[0].ID != "batch.7" {
		t.Errorf("as JSON: %v, %+v", err, kills)
	}
	if got := run(0, "--json"); got != "[]\n" {
		t.Errorf("none as JSON: %q", got)
	}
	run(exitUsage, "--since=noon")
	run(exitFailed, "--dir", filepath.Join(dir, "none"))
}

// Where no log is kept, the running daemon is asked.
func TestKillsOfTheDaemon(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "agent.sock")
	p := start(t, "--mode=noop", "--socket", socket)
	p.await(t, "offer")
	t.Setenv("ESTIMATORD_DECISIONS_DIR", filepath.Join(dir, "none"))
	t.Setenv("ESTIMATORD_SOCKET", socket)
	if out := operate(t, "kills"); !strings.HasPrefix(out, "nothing was killed") {
		t.Errorf("%s", out)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code, stderr := fails(t, "kills"); code != exitFailed || !strings.Contains(stderr, "no decision log") || !strings.Contains(stderr, "no daemon answers") {
		t.Errorf("neither log nor daemon: exit %d, %s", code, stderr)
	}
}

// The shell is offered what explain takes as the name of a container.
func TestNamesForTheShell(t *testing.T) {
	st := &control.Status{
		Kills: []explain.Killed{{Identity: qos.Identity{Key: snapshot.Key{ID: "c1"}, ExecutorID: "e1"}, Tasks: []snapshot.Task{{ID: "t1"}}, At: time.Unix(1, 0)}},
		Containers: []control.Container{
			{Container: snapshot.Container{Key: snapshot.Key{ID: "c2"}, Executor: &snapshot.Executor{ExecutorID: "e2", Tasks: []snapshot.Task{{ID: "t2"}}}}},
			{Container: snapshot.Container{Key: snapshot.Key{ID: "c3"}}},
		},
	}
	if got := killedNames(st); !slices.Equal(got, []string{"c1", "e1", "t1"}) {
		t.Errorf("killed: %q", got)
	}
	if got := presentNames(st); !slices.Equal(got, []string{"c2", "e2", "t2", "c3"}) {
		t.Errorf("there: %q", got)
	}
	if got := completed(t, "explain", "kill", "--operator-socket", filepath.Join(t.TempDir(), "none"), ""); !slices.Equal(got, []string{":4"}) {
		t.Errorf("without a daemon: %q", got)
	}
}
