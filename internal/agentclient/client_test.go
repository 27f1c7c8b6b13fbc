package agentclient

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// agent answers as a real one: GET_CONTAINERS and GET_FRAMEWORKS are recorded.
type agent struct {
	t *testing.T
	// instead answers in the place of a recording.
	instead map[string]http.HandlerFunc
	secret  string

	mu     sync.Mutex
	killed []string
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/slave(1)/api/v1" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	if user, secret, _ := r.BasicAuth(); a.secret != "" && (user != "estimatord" || secret != a.secret) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var call struct {
		Type string `json:"type"`
		Kill struct {
			ID id `json:"container_id"`
		} `json:"kill_container"`
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		a.t.Errorf("request: %v", err)
	}
	switch answer := a.instead[call.Type]; {
	case answer != nil:
		answer(w, r)
	case call.Type == "KILL_CONTAINER":
		a.mu.Lock()
		defer a.mu.Unlock()
		a.killed = append(a.killed, call.Kill.ID.Value)
	default:
		http.ServeFile(w, r, filepath.Join("testdata", call.Type+".json"))
	}
}

func serve(t *testing.T, a *agent) *Client {
	t.Helper()
	a.t = t
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	c, err := New(srv.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

const (
	bestEffort = "49d86de8-ed27-4a62-9faf-789cb75fb3e1"
	regular    = "7501e3a6-b96f-4897-92d0-64d34b5fa3e8"
	master     = "fd8b9360-f3b7-4273-a707-8d0d0c391788"
)

func TestReadOfARealAgent(t *testing.T) {
	s, err := serve(t, &agent{}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != "1.12.0" || !s.HasQoSModule() || s.Flags["isolation"] != "cgroups/cpu,cgroups/mem" || s.Dropped != 0 {
		t.Errorf("got %+v", s)
	}
	if secret, kept := s.Flags["credential"]; kept {
		t.Errorf("a secret is kept: %s", secret)
	}
	want := map[string]Framework{
		master + "-0000": {Name: "mesos-execute instance", Roles: []string{"*"}},
		master + "-0001": {Name: "mesos-execute instance", Roles: []string{"*"}},
		master + "-0002": {Name: "be", Roles: []string{"*"}},
	}
	if diff := cmp.Diff(want, s.Frameworks); diff != "" {
		t.Errorf("frameworks (-want +got):\n%s", diff)
	}
	if len(s.Containers) != 3 {
		t.Fatalf("%d containers", len(s.Containers))
	}
	first := Container{
		ID: bestEffort, FrameworkID: master + "-0002", ExecutorID: "be-1",
		CPUSeconds: snapshot.ValueOf(0.27 + 0.09), MemBytes: snapshot.ValueOf(20307968),
	}
	if diff := cmp.Diff(first, s.Containers[0]); diff != "" {
		t.Errorf("container (-want +got):\n%s", diff)
	}
}

func TestReadOfAnAgentWithQuotas(t *testing.T) {
	recorded, err := os.ReadFile("testdata/GET_CONTAINERS.cfs.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve(t, &agent{instead: map[string]http.HandlerFunc{"GET_CONTAINERS": says(string(recorded))}}).Read(t.Context())
	if err != nil || len(s.Containers) == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, c := range s.Containers {
		if !c.CPUSeconds.OK() || !c.MemBytes.OK() {
			t.Errorf("%+v", c)
		}
	}
}

// Through the domain socket, and with credentials from a file.
func TestReadThroughTheDomainSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "agent") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(&agent{t: t, secret: "hush"})
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	file := filepath.Join(dir, "credentials")
	for text, want := range map[string]error{
		`{"principal":"estimatord","secret":"hush"}`:  nil,
		`{"principal":"estimatord","secret":"wrong"}`: ErrDenied,
		`estimatord hush`: ErrCredentials,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := New("unix://"+socket, file, os.ReadFile)
		if err == nil {
			_, err = c.Read(t.Context())
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("a secret is told: %v", err)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:5051", "http://node/", "https://node:5051", "unix:///var/run/mesos/agent.sock"} {
		if _, err := ParseURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "127.0.0.1:5051", "ftp://x", "http://", "http://node/slave(1)", "unix://var/run/x", "http://me:secret@node", "http://node?x=1", "http://a b", "http://\x1b[31m",
	} {
		if _, err := ParseURL(bad); !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// An agent that lies, or something else that listens there, leaves the daemon
// without an answer, and takes neither its memory nor its time.
func TestAnswersThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		call    string
		instead http.HandlerFunc
		want    error
	}{
		"no JSON":           {"GET_VERSION", says("<html>"), ErrAnswer},
		"another type":      {"GET_CONTAINERS", says(`{"get_containers":{"containers":7}}`), ErrAnswer},
		"cut off":           {"GET_FRAMEWORKS", says(`{"get_frameworks":{"frameworks":[{`), ErrAnswer},
		"empty":             {"GET_VERSION", says(`{}`), ErrAnswer},
		"no flags":          {"GET_FLAGS", says(`{}`), ErrAnswer},
		"an error":          {"GET_FLAGS", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, ErrAnswer},
		"forbidden":         {"GET_FLAGS", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, ErrDenied},
		"elsewhere":         {"GET_VERSION", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, ErrAnswer},
		"without end":       {"GET_CONTAINERS", endless, ErrAnswer},
		"many containers":   {"GET_CONTAINERS", says(`{"get_containers":{"containers":[{}` + strings.Repeat(`,{}`, maxListed) + `]}}`), ErrAnswer},
		"deep":              {"GET_CONTAINERS", says(strings.Repeat(`{"get_containers":`, 20000)), ErrAnswer},
		"hangs up":          {"GET_CONTAINERS", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrUnreachable},
		"a number too high": {"GET_CONTAINERS", says(`{"get_containers":{"containers":[{"resource_statistics":{"cpus_user_time_secs":1e999}}]}}`), ErrAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := serve(t, &agent{instead: map[string]http.HandlerFunc{tc.call: tc.instead}}).Read(t.Context())
			if s != nil || !errors.Is(err, tc.want) {
				t.Errorf("%+v, %v; want %v", s, err, tc.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			return
		}
	}
}

// What cannot be true of a single container is absent, and the rest is taken.
func TestContainersThatCannotBe(t *testing.T) {
	s, err := serve(t, &agent{instead: map[string]http.HandlerFunc{
		"GET_FRAMEWORKS": says(`{"get_frameworks":{"frameworks":[
			{"framework_info":{"id":{"value":"../../etc"},"name":"x"}},
			{"framework_info":{"id":{"value":"f"},"name":"red\u001b[31m` + strings.Repeat("x", 1000) + `","role":"batch"}}]}}`),
		"GET_CONTAINERS": says(`{"get_containers":{"containers":[
			{"framework_id":{"value":"f"},"executor_id":{"value":"e"},"container_id":{"value":"twice"}},
			{"framework_id":{"value":"g"},"executor_id":{"value":"e"},"container_id":{"value":"twice"}},
			{"framework_id":{"value":"f"},"executor_id":{"value":"a/b"},"container_id":{"value":"slash"}},
			{"framework_id":{"value":"f"},"executor_id":{"value":"e"},"container_id":{"value":"bare"}},
			{"framework_id":{"value":"f"},"executor_id":{"value":"e"},"container_id":{"value":"negative"},
			 "resource_statistics":{"cpus_user_time_secs":-5,"cpus_system_time_secs":1,"mem_total_bytes":1}}]}}`),
	}}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Frameworks["f"]; len(s.Frameworks) != 1 || strings.Contains(f.Name, "\x1b") || len([]rune(f.Name)) != maxID || !cmp.Equal(f.Roles, []string{"batch"}) {
		t.Errorf("frameworks %+v", s.Frameworks)
	}
	absent := snapshot.Value{Why: snapshot.NoKey}
	want := []Container{
		{ID: "bare", FrameworkID: "f", ExecutorID: "e", CPUSeconds: absent, MemBytes: absent},
		{ID: "negative", FrameworkID: "f", ExecutorID: "e", CPUSeconds: snapshot.Value{Why: snapshot.Impossible}, MemBytes: snapshot.ValueOf(1)},
	}
	if diff := cmp.Diff(want, s.Containers); diff != "" || s.Dropped != 4 {
		t.Errorf("%d dropped, containers (-want +got):\n%s", s.Dropped, diff)
	}
}

func victim(t *testing.T, framework string) qos.Victim {
	t.Helper()
	v, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: bestEffort, Inode: 7}, Executor: &snapshot.Executor{
		ContainerID: bestEffort, FrameworkID: framework, ExecutorID: "be-1", Class: snapshot.ClassRevocable,
		Revocable: resources.Quantities{{Name: resources.CPUs, Amount: 1000}},
	}}, qos.Cause{Rule: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A victim is killed only where the agent itself lists the container with the
// same framework and executor: agent_url may name another agent.
func TestKill(t *testing.T) {
	a := &agent{}
	c := serve(t, a)
	if err := c.Kill(t.Context(), victim(t, master+"-0000")); !errors.Is(err, ErrAnswer) || len(a.killed) > 0 {
		t.Errorf("of another framework: %v, killed %q", err, a.killed)
	}
	if err := c.Kill(t.Context(), victim(t, master+"-0002")); err != nil || !cmp.Equal(a.killed, []string{bestEffort}) {
		t.Errorf("%v, killed %q", err, a.killed)
	}
	a.instead = map[string]http.HandlerFunc{"KILL_CONTAINER": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Unsupported", http.StatusInternalServerError)
	}}
	if err := c.Kill(t.Context(), victim(t, master+"-0002")); !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), "Unsupported") {
		t.Errorf("by an agent that cannot: %v", err)
	}
}

func TestPollerIsAbsentWhenThereIsNoFreshAnswer(t *testing.T) {
	a := &agent{}
	p := NewPoller(serve(t, a), slog.New(slog.DiscardHandler))
	if _, err := p.Last(); !errors.Is(err, errNotYet) {
		t.Errorf("before: %v", err)
	}
	p.ask(t.Context())
	s, err := p.Last()
	if err != nil || s.Version != "1.12.0" {
		t.Fatalf("%+v, %v", s, err)
	}
	s.At = time.Now().Add(-staleAfter - time.Second)
	if _, err := p.Last(); !errors.Is(err, errStale) {
		t.Errorf("later: %v", err)
	}
	a.instead = map[string]http.HandlerFunc{"GET_FLAGS": says("")}
	p.ask(t.Context())
	if _, err := p.Last(); !errors.Is(err, ErrAnswer) {
		t.Errorf("after a bad answer: %v", err)
	}
}

func TestDisagreements(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	s := &State{At: at.Add(-time.Second)}
	theirs := func(id string, seconds snapshot.Value) {
		s.Containers = append(s.Containers, Container{ID: id, CPUSeconds: seconds})
	}
	theirs("same", snapshot.ValueOf(100))
	theirs("near", snapshot.ValueOf(105))
	theirs("other", snapshot.ValueOf(200))
	theirs("unknown", snapshot.Value{})
	theirs("gone", snapshot.ValueOf(100))
	theirs("young", snapshot.ValueOf(200))
	var ours []snapshot.Container
	for _, id := range []string{"same", "near", "other", "unknown", "young", "more"} {
		c := snapshot.Container{Key: snapshot.Key{ID: id}, OnDisk: true, FirstSeen: at.Add(-time.Hour)}
		c.CPU.UsageNanos = snapshot.CountOf(100e9)
		if id == "young" {
			c.FirstSeen = at
		}
		ours = append(ours, c)
	}
	if got := s.Disagreements(ours, at, 4); !cmp.Equal(got, []string{"other"}) {
		t.Errorf("got %q", got)
	}
}
