package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// exchange is one line of a recording's calls.jsonl: a call to a real master
// and its answer. Lines with a note have no request.
type exchange struct {
	Stream  int
	Request *struct {
		Path string
		Body json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    any
	}
}

func exchanges(t *testing.T, scenario string) (all []exchange) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", scenario, "calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e exchange
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", scenario, err)
		}
		if e.Request != nil {
			all = append(all, e)
		}
	}
	return all
}

func eventsFile(scenario string, stream int) string {
	name := "events.recordio"
	if stream > 1 {
		name = fmt.Sprintf("events-%d.recordio", stream)
	}
	return filepath.Join("testdata", scenario, name)
}

// records splits a stream, so that each record keeps its bytes.
func records(t *testing.T, stream []byte) (all [][]byte) {
	t.Helper()
	for len(stream) > 0 {
		digits, _, ok := bytes.Cut(stream, []byte("\n"))
		n, err := strconv.Atoi(string(digits))
		if end := len(digits) + 1 + n; ok && err == nil && end <= len(stream) {
			all = append(all, stream[:end])
			stream = stream[end:]
			continue
		}
		t.Fatalf("no record: %.40q", stream)
	}
	return all
}

func decode(t *testing.T, record []byte) (e scheduler.Event) {
	t.Helper()
	_, text, _ := bytes.Cut(record, []byte("\n"))
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// player is a master that answers SUBSCRIBE as a real one did, byte for byte,
// and every other call as real masters do. Once all is played, the framework has
// been removed, as in the recording of failover-timeout.
type player struct {
	t         *testing.T
	subscribe []exchange // what is to come
	scenario  string
	// after holds a record back until so many calls of a type have come.
	after func(e *scheduler.Event) (call string, calls int)
	// rename is applied to the stream before it is framed again; nil: nothing is.
	rename func(text []byte) []byte

	mu    sync.Mutex
	more  *sync.Cond
	calls []scheduler.Call
	ids   []string // of the streams
	ended bool
}

func play(t *testing.T, scenario string, subscribe []exchange) (*player, scheduler.Masters) {
	p := &player{t: t, scenario: scenario, subscribe: subscribe}
	p.more = sync.NewCond(&p.mu)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Cleanup(p.end)
	m, err := scheduler.ParseMasters(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

func (p *player) end() {
	p.mu.Lock()
	p.ended = true
	p.more.Broadcast()
	p.mu.Unlock()
}

// of are the calls of a type.
func (p *player) of(kind string) (all []scheduler.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.Type == kind {
			all = append(all, c)
		}
	}
	return all
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call scheduler.Call
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &call)
	}
	if err != nil || r.URL.Path != "/api/v1/scheduler" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/json" {
		p.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	p.mu.Lock()
	p.calls = append(p.calls, call)
	known := slices.Contains(p.ids, r.Header.Get("Mesos-Stream-Id"))
	p.more.Broadcast()
	p.mu.Unlock()
	switch {
	case call.Type == "SUBSCRIBE":
		if r.Header.Get("Mesos-Stream-Id") != "" {
			p.t.Error("SUBSCRIBE with a stream id")
		}
		p.answer(w)
	case !known || call.FrameworkID == nil:
		p.t.Errorf("%s without its ids: %s", call.Type, body)
	case call.Type == "UPDATE_FRAMEWORK":
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (p *player) answer(w http.ResponseWriter) {
	p.mu.Lock()
	var next exchange
	if len(p.subscribe) > 0 {
		next, p.subscribe = p.subscribe[0], p.subscribe[1:]
	}
	p.ids = append(p.ids, next.Response.Headers["Mesos-Stream-Id"])
	p.mu.Unlock()
	file := eventsFile(p.scenario, next.Stream)
	switch {
	case next.Request == nil:
		file = eventsFile("failover-timeout", 2)
	case next.Response.Status != http.StatusOK:
		text, _ := next.Response.Body.(string)
		w.WriteHeader(next.Response.Status)
		_, _ = io.WriteString(w, text)
		return
	}
	stream, err := os.ReadFile(file)
	if err != nil {
		p.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Mesos-Stream-Id", next.Response.Headers["Mesos-Stream-Id"])
	for _, record := range records(p.t, stream) {
		e := decode(p.t, record)
		if p.after != nil {
			p.await(p.after(&e))
		}
		if p.rename != nil {
			_, text, _ := bytes.Cut(record, []byte("\n"))
			text = p.rename(text)
			record = fmt.Appendf(nil, "%d\n%s", len(text), text)
		}
		// In pieces that do not end where records do.
		for len(record) > 0 {
			n := min(len(record), 1000)
			_, _ = w.Write(record[:n])
			w.(http.Flusher).Flush()
			record = record[n:]
		}
	}
}

// await waits until so many calls of a type have come.
func (p *player) await(kind string, calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.ended {
		n := 0
		for _, c := range p.calls {
			if c.Type == kind {
				n++
			}
		}
		if n >= calls {
			return
		}
		p.more.Wait()
	}
}

// runs are the subscriptions of a scenario that one framework makes after
// another; those of different frameworks are apart.
func runs(t *testing.T, scenario string) (all [][]exchange) {
	t.Helper()
	before := ""
	for _, e := range exchanges(t, scenario) {
		var call scheduler.Call
		// What went wrong on purpose is in TestWrongCalls.
		if json.Unmarshal(e.Request.Body, &call) != nil || call.Type != "SUBSCRIBE" || e.Stream == 0 || scenario == "wrong-calls" && len(all) > 0 {
			continue
		}
		id := ""
		if call.FrameworkID != nil {
			id = call.FrameworkID.Value
		}
		if id == "" || id != before {
			all = append(all, nil)
		}
		if before = id; e.Response.Status == http.StatusOK {
			stream, err := os.ReadFile(eventsFile(scenario, e.Stream))
			if err != nil {
				t.Fatal(err)
			}
			if first := decode(t, records(t, stream)[0]); first.Type == "SUBSCRIBED" {
				before = first.Subscribed.FrameworkID.Value
			}
		}
		all[len(all)-1] = append(all[len(all)-1], e)
	}
	return all
}

// newJob makes a job of one task whose instance is called name-1.
func newJob(t *testing.T, m scheduler.Masters, name, resType string) *Job {
	t.Helper()
	j := &Job{
		Client: scheduler.NewClient(m, 10*time.Second),
		Info: scheduler.FrameworkInfo{
			User: "root", Name: "recorder", Roles: []string{"*"}, Checkpoint: true,
			Capabilities: []scheduler.Capability{{Type: "MULTI_ROLE"}, {Type: "REVOCABLE_RESOURCES"}, {Type: "PARTITION_AWARE"}},
		},
		Task:      scheduler.TaskInfo{Name: name, Command: &scheduler.CommandInfo{Shell: true, Value: "sleep 3600"}},
		Instances: 1, Failover: 2 * time.Minute, ConnectTimeout: 20 * time.Second, Log: t.Logf,
	}
	t.Cleanup(j.Client.Close)
	if err := j.Ask.Type.Set(resType); err != nil {
		t.Fatal(err)
	}
	j.Ask.CPUs, j.Ask.MemMB = 1000, 64000
	return j
}
