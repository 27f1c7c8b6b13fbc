package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// constMetrics shows the same through client_golang: the reference in what it
// says, and in what it costs.
type constMetrics struct{ rows []snapshot.Container }

func (c constMetrics) Describe(chan<- *prometheus.Desc) {} // unchecked: labels differ

func (c constMetrics) Collect(ch chan<- prometheus.Metric) {
	help := map[string]*containerFamily{}
	for i := range containerFamilies {
		help[containerFamilies[i].name] = &containerFamilies[i]
	}
	for i := range c.rows {
		row := &c.rows[i]
		names, values := []string{"container", "class"}, []string{row.ID, row.Class().String()}
		if row.Parent != "" {
			names, values = append(names, "parent"), append(values, row.Parent)
		}
		valid := func(values []string) []string {
			for i := range values {
				values[i] = strings.Map(func(r rune) rune { // which takes a byte that is not valid for U+FFFD
					if r != '\n' && !unicode.IsPrint(r) {
						return unicode.ReplacementChar
					}
					return r
				}, values[i])
			}
			return values
		}
		whole, all := names, values
		if e := row.Executor; e != nil {
			whole, all = append(slices.Clone(names), "framework", "executor"), append(slices.Clone(values), e.FrameworkID, e.ExecutorID)
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(familyPrefix+"info", help["info"].help, whole, nil), prometheus.GaugeValue, 1, valid(all)...)
		values = valid(values)
		add := func(name string, kind prometheus.ValueType, ok bool, v float64) {
			if ok {
				ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(familyPrefix+name, help[name].help, names, nil), kind, v, values...)
			}
		}
		seconds := func(name string, n snapshot.Count, perSecond float64) {
			add(name, prometheus.CounterValue, n.OK(), float64(n.N)/perSecond)
		}
		gauge := func(name string, n snapshot.Count) { add(name, prometheus.GaugeValue, n.OK(), float64(n.N)) }
		seconds("cpu_usage_seconds_total", row.CPU.UsageNanos, 1e9)
		add("cpu_cores", prometheus.GaugeValue, row.CPU.Cores.OK(), row.CPU.Cores.V)
		seconds("cpu_throttled_seconds_total", row.CPU.ThrottledNanos, 1e9)
		seconds("cpu_waiting_seconds_total", row.Pressure.CPUSomeMicros, 1e6)
		gauge("memory_usage_bytes", row.Memory.UsageBytes)
		gauge("memory_unreclaimable_bytes", row.Memory.UnreclaimableBytes)
		gauge("memory_anon_bytes", row.Memory.AnonBytes)
		gauge("threads", row.Pids)
	}
}

// containerRows are containers as on a cgroup v2 node.
func containerRows(n int) []snapshot.Container {
	rows := make([]snapshot.Container, n)
	for i := range rows {
		id := fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i)
		rows[i] = snapshot.Container{
			Key: snapshot.Key{ID: id, Inode: uint64(i + 1)}, OnDisk: true,
			Executor: &snapshot.Executor{
				ContainerID: id, FrameworkID: "c7a1e0b2-8d4f-4d0c-a2f7-5b0f6f2f8c11-0003", ExecutorID: "task-" + id, Class: snapshot.ClassRegular,
			},
			CPU: snapshot.CPU{
				UsageNanos: snapshot.CountOf(uint64(i)*123_456_789_012 + 7), Cores: snapshot.ValueOf(0.123456789 + float64(i)),
				ThrottledNanos: snapshot.CountOf(uint64(i) * 1_000_000),
			},
			Memory: snapshot.Memory{
				UsageBytes: snapshot.CountOf(300<<20 + uint64(i)<<12), UnreclaimableBytes: snapshot.CountOf(200<<20 + uint64(i)<<12),
				AnonBytes: snapshot.CountOf(100 << 20),
			},
			Pids:     snapshot.CountOf(12),
			Pressure: snapshot.Pressure{CPUSomeMicros: snapshot.CountOf(uint64(i) * 1234)},
		}
	}
	return rows
}

func watch(c *Containers, rows []snapshot.Container) {
	c.Observe(nil, &snapshot.Snapshot{At: time.Now(), Containers: rows})
}

func page(t testing.TB, h http.Handler) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics/containers", http.NoBody))
	return w.Code, w.Body.String()
}

// same compares a page with the reference, both read by Prometheus's own
// parser.
func same(t interface{ Fatal(args ...any) }, url string, rows []snapshot.Container) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(constMetrics{rows})
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatal("the reference: ", w.Body.String())
	}
	names := make([]string, len(containerFamilies))
	for i := range containerFamilies {
		names[i] = familyPrefix + containerFamilies[i].name
	}
	if err := testutil.ScrapeAndCompare(url, w.Body, names...); err != nil {
		t.Fatal(err)
	}
}

func TestContainersSayTheSameAsClientGolang(t *testing.T) {
	c := NewContainers(0, time.Minute)
	srv := httptest.NewServer(c)
	defer srv.Close()
	rows := containerRows(300)
	rows[1].Executor = nil
	rows[2].Parent, rows[2].Executor = rows[1].ID, nil
	watch(c, rows)
	same(t, srv.URL, rows)

	rapid.Check(t, func(t *rapid.T) {
		row := containerRows(1)[0]
		row.ID = rapid.String().Draw(t, "id")
		row.Parent = rapid.StringOf(rapid.SampledFrom([]rune{'\\', '"', '\n', 'n', 'ü', 0, ',', '}'})).Draw(t, "parent")
		row.Executor.FrameworkID = string(rapid.SliceOf(rapid.Byte()).Draw(t, "framework"))
		row.CPU.UsageNanos.N = rapid.Uint64Range(0, 1<<53).Draw(t, "nanos")
		row.Pressure.CPUSomeMicros.N = rapid.Uint64Range(0, 1<<53).Draw(t, "micros")
		row.CPU.Cores.V = rapid.Float64Range(0, 1e6).Draw(t, "cores")
		row.Pids.Why = snapshot.Absence(rapid.IntRange(0, snapshot.NumAbsences-1).Draw(t, "why"))
		watch(c, []snapshot.Container{row})
		same(t, srv.URL, []snapshot.Container{row})
	})
}

func TestContainersPage(t *testing.T) {
	c := NewContainers(0, time.Minute)
	rows := containerRows(2)
	rows[0].ID, rows[0].Executor.FrameworkID, rows[0].Executor.ExecutorID = "c1", `fr"\`, "e\n1"
	rows[0].CPU.UsageNanos = snapshot.CountOf(12_345_678_901_234_567_890)
	rows[0].CPU.ThrottledNanos = snapshot.Count{N: 5, Why: snapshot.NoQuota}
	rows[1] = snapshot.Container{Key: snapshot.Key{ID: "c\u202e2"}, Parent: "c1", Pids: snapshot.CountOf(3)}
	watch(c, rows)
	code, body := page(t, c)
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, body)
	}
	const want = `# HELP estimatord_container_left_out Containers that are not on this page, since there are too many.
# TYPE estimatord_container_left_out gauge
estimatord_container_left_out 0
# HELP estimatord_container_info Always 1; the labels say whose container it is.
# TYPE estimatord_container_info gauge
estimatord_container_info{class="regular",container="c1",executor="e\n1",framework="fr\"\\"} 1
estimatord_container_info{class="unknown",container="c�2",parent="c1"} 1
# HELP estimatord_container_cpu_usage_seconds_total CPU time used since the cgroup was made.
# TYPE estimatord_container_cpu_usage_seconds_total counter
estimatord_container_cpu_usage_seconds_total{class="regular",container="c1"} 12345678901.23456789
# HELP estimatord_container_cpu_cores CPU use between the last two ticks; 1 is one busy core.
# TYPE estimatord_container_cpu_cores gauge
estimatord_container_cpu_cores{class="regular",container="c1"} 0.123456789
# HELP estimatord_container_cpu_waiting_seconds_total`
	if !strings.HasPrefix(body, want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", body, want)
	}
	if line := "estimatord_container_threads{class=\"unknown\",container=\"c�2\",parent=\"c1\"} 3\n"; !strings.HasSuffix(body, line) {
		t.Errorf("got\n%s\nwant it to end with %s", body, line)
	}
	if strings.Contains(body, "throttled") {
		t.Error("a family without a sample is there, or an absent reading is")
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func TestContainersBeyondTheLimitAreCountedNestedOnesFirst(t *testing.T) {
	rows := containerRows(6)
	rows[0].Parent = "x"
	rows[3].ID = rows[2].ID // a name that was reused while it was listed
	c := NewContainers(4, time.Minute)
	watch(c, rows)
	_, body := page(t, c)
	if !strings.Contains(body, "\nestimatord_container_left_out 2\n") || strings.Count(body, "_threads{") != 4 || strings.Contains(body, `parent="x"`) {
		t.Errorf("want four at top level, a nested and a double one left out:\n%s", body)
	}
}

func TestContainersShowNothingOld(t *testing.T) {
	c := NewContainers(0, 10*time.Second)
	if code, body := page(t, c); code != http.StatusServiceUnavailable || !strings.Contains(body, "no tick yet") {
		t.Errorf("before the first tick: %d %q", code, body)
	}
	watch(c, containerRows(1))
	c.now = func() time.Time { return c.at.Add(11 * time.Second) } // locked by who asks
	if code, body := page(t, c); code != http.StatusServiceUnavailable || !strings.Contains(body, "11s old") {
		t.Errorf("11 s later: %d %q", code, body)
	}
	if !c.mu.TryLock() {
		t.Error("a refused scrape keeps its lock")
	}
}

// TestContainersAreOfOneTick reads while the loop goes on, which overwrites its
// snapshots in turn; the race detector watches too.
func TestContainersAreOfOneTick(t *testing.T) {
	c := NewContainers(0, time.Minute)
	turns := [2][]snapshot.Container{containerRows(200), containerRows(200)}
	tick := func(n int) {
		rows := turns[n%2]
		for i := range rows {
			rows[i].Pids.N = uint64(n)
		}
		watch(c, rows)
	}
	tick(0)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 50 {
				_, body := page(t, c)
				var values []string
				for line := range strings.Lines(body) {
					if v, ok := strings.CutPrefix(line, familyPrefix+"threads"); ok {
						values = append(values, v[strings.LastIndexByte(v, ' '):])
					}
				}
				if len(values) != 200 || len(slices.Compact(values)) != 1 {
					t.Errorf("%d containers, values %v; want 200 of one tick", len(values), slices.Compact(values))
					return
				}
			}
		})
	}
	for n := range 500 {
		tick(n)
	}
	wg.Wait()
}

func TestContainersAllocateNothing(t *testing.T) {
	c := NewContainers(0, time.Minute)
	rows := containerRows(100)
	s := &snapshot.Snapshot{At: time.Now(), Containers: rows}
	var text containerText
	for range 3 {
		c.Observe(nil, s)
	}
	if err := c.render(&text); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		c.Observe(nil, s)
		_ = c.render(&text)
	}); n > 0 {
		t.Errorf("%v allocations per tick and scrape", n)
	}
}

func BenchmarkContainers(b *testing.B) {
	rows := containerRows(1000)
	b.Run("by_hand/1000", func(b *testing.B) {
		c := NewContainers(0, time.Hour)
		watch(c, rows)
		var text containerText
		b.ReportAllocs()
		for b.Loop() {
			_ = c.render(&text)
		}
		b.ReportMetric(float64(len(text.out)), "B/page")
	})
	b.Run("client_golang/1000", func(b *testing.B) {
		r := prometheus.NewRegistry()
		r.MustRegister(constMetrics{rows})
		h := promhttp.HandlerFor(r, promhttp.HandlerOpts{DisableCompression: true})
		req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(discard{}, req)
		}
	})
	b.Run("tick/1000", func(b *testing.B) {
		c := NewContainers(0, time.Hour)
		s := &snapshot.Snapshot{At: time.Now(), Containers: rows}
		b.ReportAllocs()
		for b.Loop() {
			c.Observe(nil, s)
		}
	})
}

// discard is a response that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
