package daemon

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

const beFramework = "fd8b9360-f3b7-4273-a707-8d0d0c391788-0002"

// recordedAgent answers as a real agent did, as long as it is up.
func recordedAgent(t *testing.T, up *atomic.Bool) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Type string }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || !up.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		http.ServeFile(w, r, filepath.Join("../agentclient/testdata", call.Type+".json"))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A policy can protect a framework by its name, which the report lacks and the
// agent's API has; it stays protected when the API fails, and nothing waits for it.
func TestFrameworksHaveNames(t *testing.T) {
	var up atomic.Bool
	cfg := config.Default()
	cfg.AgentURL = recordedAgent(t, &up)
	v, err := newAgentView(&cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	protect := policy.Protect{Frameworks: []string{"be"}}
	report := func() *snapshot.Usage {
		return &snapshot.Usage{At: time.Now(), Agent: "a", Executors: []snapshot.Executor{
			{ContainerID: "c", FrameworkID: beFramework, ExecutorID: "be-1"}, {ContainerID: "d", FrameworkID: "unknown", ExecutorID: "x"},
		}}
	}
	first := report()
	if u := v.name(first); u.Executors[0].FrameworkName != "" || v.name(nil) != nil {
		t.Errorf("named before the agent answered: %+v", u.Executors[0])
	}

	// run polls at once, and then not for the rest of the test.
	poll := func() {
		before, _ := v.poller.Last()
		stop := make(chan struct{})
		go func() { defer close(stop); _ = v.poller.Run(t.Context()) }()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			now, err := v.poller.Last()
			if up.Load() && now != nil && now != before || !up.Load() && err != nil {
				return
			}
		}
		t.Fatal("the agent was not asked")
	}
	up.Store(true)
	poll()
	u := v.name(first)
	be, other := &u.Executors[0], &u.Executors[1]
	if be.FrameworkName != "be" || be.Role != "*" || !protect.Protects(be) || protect.Protects(other) || first.Executors[0].FrameworkName != "" {
		t.Errorf("named %+v and %+v, the report itself %+v", be, other, first.Executors[0])
	}
	if v.name(first) != u {
		t.Error("the same report is another one at the next tick")
	}
	if !v.stats().OK {
		t.Errorf("stats %+v", v.stats())
	}

	up.Store(false)
	poll()
	if u := v.name(report()); !protect.Protects(&u.Executors[0]) || v.stats().OK {
		t.Errorf("without the API: %+v, stats %+v", u.Executors[0], v.stats())
	}
	gone := report()
	gone.Executors = gone.Executors[1:]
	v.name(gone)
	if len(v.frameworks) != 0 {
		t.Errorf("%d frameworks are kept of a report without them", len(v.frameworks))
	}
}
