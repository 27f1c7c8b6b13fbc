package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// node is a node of n containers, every fourth of them revocable, that ticks when
// it is told to.
type node struct {
	containers *metrics.Containers
	recent     *Recent
	snapshot   snapshot.Snapshot
	last       *decision.Record
	// served is last for those who read it while the node ticks.
	served atomic.Pointer[decision.Record]
}

func newNode(n int, at time.Time) *node {
	c := metrics.NewContainers(0, time.Hour)
	nd := &node{containers: c, recent: NewRecent(c.Each)}
	nd.snapshot.At = at
	for i := range n {
		k := snapshot.Key{ID: fmt.Sprintf("5f3a0000-0000-4000-8000-%012d", i), Inode: uint64(1000 + i)}
		x := &snapshot.Executor{
			ContainerID: k.ID, FrameworkID: "20260301-120000-16842879-5050-1-0000", ExecutorID: fmt.Sprintf("web.%d", i), Class: snapshot.ClassRegular,
			Regular: resources.Quantities{{Name: "cpus", Amount: 1000}, {Name: "mem", Amount: 512000}},
			Tasks:   []snapshot.Task{{ID: fmt.Sprintf("web.%d", i), Name: "web", Labels: []snapshot.Label{{Key: "team", Value: "<b>shop</b>"}}}},
		}
		if i%4 == 3 {
			x.Regular, x.Revocable, x.Class, x.ExecutorID = nil, x.Regular, snapshot.ClassRevocable, fmt.Sprintf("batch.%d", i)
			x.Tasks[0].ID, x.Tasks[0].Name, x.Tasks[0].Revocable = x.ExecutorID, "batch", x.Revocable
		}
		nd.snapshot.Containers = append(nd.snapshot.Containers, snapshot.Container{
			Key: k, OnDisk: true, Executor: x, FirstSeen: at,
			Memory: snapshot.Memory{UnreclaimableBytes: snapshot.CountOf(300 << 20)},
		})
	}
	return nd
}

// tick is one tick, a second after the last one; change makes it other than calm.
func (nd *node) tick(change func(*decision.Record)) {
	s := &nd.snapshot
	s.Seq++
	s.At = s.At.Add(time.Second)
	for i := range s.Containers {
		s.Containers[i].CPU.Cores = snapshot.ValueOf(float64(i*37%90+(i+int(s.Seq))%10) / 100)
	}
	limit := resources.Milli(8000)
	r := &decision.Record{
		Seq: s.Seq, Run: "run", At: s.At, PolicyHash: "0123456789ab", Reported: true, Agent: "pid:1@2", UsageAgeSeconds: float64(s.Seq % 15),
		Host: snapshot.Host{At: s.At, CPUs: snapshot.CountOf(uint64(len(s.Containers)/2 + 4)), MemTotalBytes: snapshot.CountOf(64 << 30)},
		Offer: estimator.Offer{Resources: []estimator.ResourceOffer{{
			Resource: "cpus", Allocated: &estimator.Allocated{RegularAllocated: 48000, RevocableAllocated: 4000},
			Estimate: &estimator.Estimate{Usage: 20000, Demand: 20000, Peak: 25000, Margin: 1000, Slack: 20000},
			Cap:      &limit, Target: 8000, RevocableTotal: 8000, Offered: 4000, Why: reason.Cap,
		}}},
		QoS: qos.Decision{Why: reason.Calm, Rules: []qos.RuleState{{
			Name: "cpu", Signal: signal.NodeCPU, Action: policy.Kill, Above: 0.95, Clear: 0.9, Why: reason.Calm,
			Reading: signal.Reading{Value: snapshot.ValueOf(0.5)},
		}}, Ladders: make([]qos.LadderState, 2)},
	}
	if change != nil {
		change(r)
	}
	nd.last = r
	nd.served.Store(r)
	nd.containers.Observe(r, s)
	nd.recent.Observe(r, s)
}

// kill is a tick that kills that container.
func (nd *node) kill(t testing.TB, i int) (id string) {
	t.Helper()
	c := &nd.snapshot.Containers[i]
	v, err := qos.NewVictim(c, qos.Cause{Rule: "cpu", Text: "cpu: node CPU at 99% above 95% for 30s; killing " + c.ID})
	if err != nil {
		t.Fatal(err)
	}
	nd.tick(func(r *decision.Record) {
		r.QoS.Kills, r.QoS.Why = []qos.Victim{v}, reason.Preempt
		r.QoS.Ladders[0].Rung, r.QoS.Ladders[0].Rule = policy.Kill, "cpu"
		r.QoS.Rules[0].Active, r.QoS.Rules[0].Why = true, reason.Preempt
		for k := range 32 {
			r.QoS.Candidates = append(r.QoS.Candidates, qos.Candidate{Key: snapshot.Key{ID: strconv.Itoa(k)}, Why: reason.NotFirst})
		}
	})
	return c.ID
}

// config is what the node is served from.
func (nd *node) config() *Config {
	return &Config{
		Listen: "127.0.0.1:0", Registry: metrics.NewRegistry(metrics.Build{}), Recent: nd.recent, Containers: nd.containers,
		Daemon: Daemon{Version: "v1.2.3", Mode: "usage", ConfigHash: "abcdef012345", Started: now}, Unhealthy: time.Hour,
		Last: nd.served.Load, Policy: func() config.PolicyStatus { return config.PolicyStatus{} },
		Usage: func() *snapshot.Usage { return nd.snapshot.Usage }, InFlight: func() []qos.InFlight { return nil }, Throttles: func() throttle.Report { return throttle.Report{} },
		Pending: &Pending{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// serve serves the loopback port until the test ends, and returns its address.
func (nd *node) serve(t testing.TB) string {
	t.Helper()
	cfg := nd.config()
	s, err := cfg.ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	remembering(t, cfg)
	return "http://" + s.Addr().String()
}

// remembering takes ticks in until the test ends.
func remembering(t testing.TB, cfg *Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cfg.Remember(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// settled waits until all ticks are taken in.
func (nd *node) settled(t testing.TB) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		nd.recent.mu.RLock()
		done := nd.recent.last == nd.last
		nd.recent.mu.RUnlock()
		if done {
			return
		}
		if time.Now().After(until) {
			t.Fatal("the last tick is not taken in")
		}
	}
}

func getInto[T any](t *testing.T, url string) *T {
	t.Helper()
	code, body := get(t, url)
	v := new(T)
	if err := json.Unmarshal([]byte(body), v); err != nil || code != http.StatusOK {
		t.Fatalf("%s: %d, %v: %.200s", url, code, err, body)
	}
	return v
}

func TestStatusIsOneDocument(t *testing.T) {
	nd := newNode(8, now)
	base := nd.serve(t)
	nd.tick(nil)
	id := nd.kill(t, 3)
	nd.tick(nil) // in which it is gone
	nd.settled(t)
	st := getInto[Status](t, base+pathStatus)
	if st.Daemon.ConfigHash != "abcdef012345" || st.Tick.Seq != 3 || len(st.Containers) != 8 || st.Revision == 0 {
		t.Errorf("status %+v", st)
	}
	c := &st.Containers[3]
	if c.Executor.Tasks[0].Name != "batch" || c.Executor.Class != snapshot.ClassRevocable || !c.CPU.Cores.OK() || c.Executor.Revocable.Get("cpus") != 1000 {
		t.Errorf("container %+v", c)
	}
	if len(st.Kills) != 1 || st.Kills[0].ID != id || !strings.Contains(st.Kills[0].Text, "node CPU at 99%") || st.Kills[0].Tasks[0].ID != "batch.3" ||
		!st.Kills[0].Outcome.Gone || st.Kills[0].Outcome.AfterSeconds != 1 {
		t.Errorf("kills %+v", st.Kills)
	}
}

func TestKillsAreExplained(t *testing.T) {
	nd := newNode(8, now)
	base := nd.serve(t)
	nd.tick(func(r *decision.Record) {
		r.Weighed = true
		r.Eligible = []decision.Eligible{{Candidate: qos.Candidate{Key: nd.snapshot.Containers[7].Key, ExecutorID: "batch.7", Why: reason.Eligible}, Tasks: []string{"batch.7"}}}
	})
	id := nd.kill(t, 3)
	nd.tick(nil)
	nd.settled(t)
	for _, name := range []string{id, "batch.3"} {
		x := getInto[Explanation](t, base+pathKill+name)
		if x.Kill == nil || x.Kill.ID != id || len(x.Kill.Decision.Candidates) != 32 || !strings.Contains(x.Text, "it was gone 1 s later") {
			t.Errorf("%s: %+v", name, x)
		}
	}
	if x := getInto[Explanation](t, base+pathWhyNot+"batch.7"); x.WhyNot == nil || !strings.Contains(x.Text, "It could be a victim") {
		t.Errorf("why-not: %+v", x)
	}
	if x := getInto[Explanation](t, base+pathOffer); x.Offer == nil || !strings.Contains(x.Text, "The operator's cap") {
		t.Errorf("offer: %+v", x)
	}
}

func TestHistory(t *testing.T) {
	nd := newNode(120, now)
	base := nd.serve(t)
	nd.runs(t, 130, nil)
	id := nd.kill(t, 3)
	nd.settled(t)
	h := getInto[History](t, base+pathHistory+"?window=1m")
	if len(h.At) != 61 || h.StepSeconds != 1 || h.At[60] != nd.last.At.Unix() || h.At[0] != h.At[60]-60 {
		t.Errorf("a minute: %d values of %d s", len(h.At), h.StepSeconds)
	}
	if len(h.Resources) != 2 || h.Resources[0].Capacity[60] != 64 || h.Resources[0].Peak[60] != 25 || h.Resources[0].RevocableUsage[60] <= 0 {
		t.Errorf("node %+v", h.Resources)
	}
	if known(h.Resources[1].Peak[60]) {
		t.Error("a term that is not known is a number")
	}
	if len(h.Containers) != maxTracked || len(h.Containers[0].Cores) != 61 {
		t.Errorf("%d containers", len(h.Containers))
	}
	if e := h.Events[len(h.Events)-2]; e.Kind != EventLadder || e.Resource != "cpus" || !strings.Contains(e.Text, "to kill") {
		t.Errorf("event before the last %+v", e)
	}
	if e := h.Events[len(h.Events)-1]; e.Kind != EventKill || e.Container != id {
		t.Errorf("kill event %+v", e)
	}
	if day := getInto[History](t, base+pathHistory+"?window=24h"); len(day.At) != 3 || day.StepSeconds != 60 {
		t.Errorf("a day: %d values of %d s", len(day.At), day.StepSeconds)
	}
}

// runs ticks n times, as fast as they are taken in.
func (nd *node) runs(t testing.TB, n int, change func(*decision.Record)) {
	t.Helper()
	for range n {
		nd.tick(change)
		nd.settled(t)
	}
}

// The hour and the day of 1000 containers, with all the kills that are
// remembered.
func TestHistoryIsBounded(t *testing.T) {
	const limit = 8 << 20
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	nd := newNode(1000, now)
	nd.tick(nil) // the copy of the containers is not history
	nd.recent = nil
	before := heap()
	h := NewRecent(nd.containers.Each)
	nd.recent = h
	take := func() { h.take(nd.last, pointOf(nd.last, h.rows)); <-h.records }
	for i := range int(coarseSpan/time.Minute) + 5 {
		if i > 10 {
			nd.snapshot.At = nd.snapshot.At.Add(time.Minute - time.Second)
		}
		nd.kill(t, 3+4*(i%200))
		take()
		if i%30 == 0 {
			nd.tick(func(r *decision.Record) { r.Weighed, r.Eligible = true, make([]decision.Eligible, 2000) })
			take()
		}
	}
	for range int(fineSpan/time.Second) + 5 {
		nd.snapshot.At = nd.snapshot.At.Add(time.Second)
		h.past.add(nd.snapshot.At, pointOf(nd.last, h.rows))
	}
	if h.past.fine.n != 3600 || h.past.coarse.n != 1440 || len(h.kills) != maxKills || len(h.events) != maxEvents {
		t.Errorf("%d seconds, %d minutes, %d kills, %d events", h.past.fine.n, h.past.coarse.n, len(h.kills), len(h.events))
	}
	used := heap() - before
	t.Logf("%.2f MiB", float64(used)/(1<<20))
	if used > limit {
		t.Errorf("the history takes %d bytes, more than %d", used, limit)
	}
	runtime.KeepAlive(nd)
}

func TestARingForgetsTheOldest(t *testing.T) {
	r := newRing(time.Second, 10*time.Second, 1)
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for i := range 25 {
		r.add(at(i), Series{float32(i)})
	}
	for span, want := range map[time.Duration]string{
		2 * time.Second: "[22 23 24] [22 23 24]",
		time.Hour:       "[15 16 17 18 19 20 21 22 23 24] [15 16 17 18 19 20 21 22 23 24]",
	} {
		if times, column := r.window(span); fmt.Sprint(times, column(0)) != want {
			t.Errorf("%s: %v %v, want %s", span, times, column(0), want)
		}
	}
	// Within a step it is the mean of what is known.
	for _, v := range []float32{1, unknown, 3, 5} {
		r.add(at(30), Series{v})
	}
	if times, column := r.window(0); len(times) != 1 || times[0] != 30 || column(0)[0] < 2.5 || column(0)[0] > 3.5 {
		t.Error(times, column(0))
	}
}

func TestAClockThatIsSetBackBeginsAnew(t *testing.T) {
	h := newPast()
	point := pointOf(&decision.Record{}, noContainers)
	h.add(now, point)
	h.add(now.Add(time.Second), point)
	h.add(now.Add(-time.Hour), point)
	if h.fine.n != 1 || h.fine.newest() != now.Add(-time.Hour).Unix() {
		t.Errorf("%d values, newest %d", h.fine.n, h.fine.newest())
	}
}

// Those that use most have a history, and one that uses more takes the place of
// another.
func TestTheHistoryIsOfThoseThatUseMost(t *testing.T) {
	nd := newNode(200, now)
	h := nd.recent
	cores := func(i int) snapshot.Value { return snapshot.ValueOf(float64(i) / 1000) }
	tick := func(busy int) {
		nd.tick(nil)
		for i := range nd.snapshot.Containers {
			nd.snapshot.Containers[i].CPU.Cores = cores(i)
		}
		if busy >= 0 {
			nd.snapshot.Containers[busy].CPU.Cores = cores(2000)
		}
		nd.containers.Observe(nd.last, &nd.snapshot)
		h.take(<-h.records, pointOf(nd.last, h.rows))
	}
	tick(-1)
	has := func(i int) bool {
		return slices.ContainsFunc(h.history(time.Hour).Containers, func(c ContainerHistory) bool { return c.Key == nd.snapshot.Containers[i].Key })
	}
	if !has(199) || !has(150) || has(149) || has(7) {
		t.Error("those with a history are not those that use most")
	}
	for range chooseEvery {
		tick(7)
	}
	if !has(7) || !has(199) {
		t.Error("one that uses more than all others has no history")
	}
}

func TestBadRequestsToTheAPI(t *testing.T) {
	nd := newNode(1, now)
	base := nd.serve(t)
	nd.tick(nil)
	nd.settled(t)
	for _, tc := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/api/v1/nothing", 404, `there is no \"/api/v1/nothing\"`},
		{"GET", "/api/", 404, "path"},
		{"POST", pathStatus, 405, "takes GET"},
		{"POST", pathPause, 404, "path"},
		{"GET", pathStatus + "?x=1", 400, `\"x\"`},
		{"GET", pathHistory + "?window=banana", 400, `window: \"banana\"`},
		{"GET", pathHistory + "?window=-1h", 400, "window"},
		{"GET", pathHistory + "?window=9999h", 400, "window"},
		{"GET", pathHistory + "?window=", 400, "window"},
		{"GET", pathHistory + "?window=1m&window=2m", 400, "window: given 2 times"},
		{"GET", pathHistory + "?windows=1m", 400, "takes window only"},
		{"GET", pathHistory + "?window=%zz", 400, "query"},
		{"GET", pathKill + "no-such", 404, "container"},
		{"GET", pathWhyNot + "no-such", 404, "container"},
		{"GET", pathHistory + "?window=" + strings.Repeat("9", 100<<10), 431, "query"},
	} {
		req, err := http.NewRequest(tc.method, base+tc.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Errorf("%s %.60s: %v", tc.method, tc.path, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var f failure
		if err := json.Unmarshal(body, &f); err != nil || f.Error == "" || resp.StatusCode != tc.code || !bytes.Contains(body, []byte(tc.want)) || len(body) > 1000 {
			t.Errorf("%s %.60s: %d %s; want %d with %q", tc.method, tc.path, resp.StatusCode, body, tc.code, tc.want)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %.60s: %s", tc.method, tc.path, ct)
		}
	}
}

func TestFollow(t *testing.T) {
	nd := newNode(4, now)
	cfg := nd.config()
	cfg.Socket = full(t, &bytes.Buffer{}).Socket
	client := serving(t, *cfg)
	remembering(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	var updates []*Update
	enough := errors.New("enough")
	go func() {
		done <- client.Follow(ctx, func(u *Update) error {
			updates = append(updates, u)
			if len(updates) == 3 {
				return enough
			}
			return nil
		})
	}()
	for {
		nd.tick(nil)
		select {
		case err := <-done:
			if !errors.Is(err, enough) || updates[2].Tick.Seq <= updates[0].Tick.Seq || len(updates[0].History.Containers) != 4 || len(updates[2].History.At) != 1 {
				t.Errorf("%v, %+v", err, updates)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestWhoFollowsTooSlowlyIsDroppedAndTold(t *testing.T) {
	var h hub
	f := h.follow()
	for range maxBehind + 1 {
		h.publish([]byte("{}"))
	}
	if h.followed() || !strings.Contains(f.why, "too slow") {
		t.Errorf("%q", f.why)
	}
	// The other end learns it behind what was waiting.
	cfg := newNode(1, now).config()
	cfg.Socket = full(t, &bytes.Buffer{}).Socket
	client := serving(t, *cfg)
	hub := &cfg.Recent.hub
	held := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- client.Follow(t.Context(), func(*Update) error { <-held; return nil })
	}()
	for !hub.followed() {
		time.Sleep(time.Millisecond)
	}
	large := []byte(`{"history":{"events":[{"text":"` + strings.Repeat("x", 1<<20) + `"}]}}`)
	for hub.followed() {
		hub.publish(large)
		time.Sleep(time.Millisecond)
	}
	close(held)
	if err := <-done; !errors.Is(err, ErrDropped) || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("err %v", err)
	}
}

func TestTheOldestFollowerGoesForANewOne(t *testing.T) {
	var h hub
	first := h.follow()
	for range maxFollowers {
		h.follow()
	}
	if _, more := <-first.updates; more || len(h.followers) != maxFollowers {
		t.Errorf("%d follow", len(h.followers))
	}
	h.close("end")
	if h.followed() {
		t.Error("somebody follows a hub that is closed")
	}
	if f := h.follow(); f.why == "" {
		t.Error("somebody can still follow")
	}
}

// BenchmarkRemember is what a tick costs beside the loop while nobody follows.
func BenchmarkRemember(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			nd := newNode(n, now)
			nd.tick(nil)
			<-nd.recent.records
			b.ReportAllocs()
			for b.Loop() {
				nd.last.At = nd.last.At.Add(time.Second)
				nd.recent.take(nd.last, pointOf(nd.last, nd.recent.rows))
			}
		})
	}
}

// BenchmarkUpdate is what an update costs those who follow together.
func BenchmarkUpdate(b *testing.B) {
	nd := newNode(200, now)
	nd.tick(nil)
	p := pointOf(nd.last, nd.recent.rows)
	cfg := nd.config()
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(marshal(&Update{Tick: brief(nd.last), History: p, Words: cfg.words(nd.last)}))))
	}
}

// BenchmarkStatus is what one answer costs.
func BenchmarkStatus(b *testing.B) {
	nd := newNode(200, now)
	nd.tick(nil)
	cfg := nd.config()
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(marshal(cfg.status()))))
	}
}
