package control

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// browser is a headless Chromium that has opened a page.
type browser struct {
	testing.TB
	ctx context.Context
	// complaints are what the browser said on its console, errors of the page and
	// refusals by its Content-Security-Policy among them.
	complaints chan string
}

// browserWait is how long something may take on a busy machine.
const browserWait = 60 * time.Second

func open(t testing.TB, url string, width, height int) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium in PATH (Debian: apt install chromium)")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{TB: t, ctx: ctx, complaints: make(chan string, 100)}
	said := chromedp.Console(ctx)
	go func() {
		for m, err := range said {
			if err != nil {
				return
			}
			select {
			case b.complaints <- m.String():
			default:
			}
		}
	}()
	b.do(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(url))
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserWait)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// eval is what an expression of JavaScript gives.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression is true.
func (b *browser) until(expression string) {
	b.Helper()
	for end := time.Now().Add(browserWait); !eval[bool](b, expression); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.shot("failed")
			b.Fatalf("not so: %s; the page says:\n%.3000s", expression, eval[string](b, "document.body.innerText"))
		}
	}
}

// shot writes what is to be seen to SCREENSHOTS, if that is set.
func (b *browser) shot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// calm fails when the browser has complained.
func (b *browser) calm() {
	b.Helper()
	for {
		select {
		case c := <-b.complaints:
			b.Error("the browser says: ", c)
		default:
			return
		}
	}
}

// ticking ticks until the test ends, every time as if a second had passed.
func (nd *node) ticking(t testing.TB, every time.Duration) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
				nd.tick(nil)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// onPage is a node of n containers with some minutes of history and a kill, and
// its page.
func onPage(t testing.TB, n, width, height int) (*node, *browser) {
	nd := newNode(n, time.Now().Add(-15*time.Minute).UTC())
	base := nd.serve(t)
	nd.runs(t, 400, nil)
	nd.tick(func(r *decision.Record) {
		r.Weighed = true
		for _, c := range nd.snapshot.Containers {
			if c.Class() == snapshot.ClassRevocable {
				r.Eligible = append(r.Eligible, decision.Eligible{Candidate: qos.Candidate{Key: c.Key, ExecutorID: c.Executor.ExecutorID, Why: reason.Eligible}})
			}
		}
	})
	nd.kill(t, 3)
	nd.runs(t, 60, nil)
	return nd, open(t, base, width, height)
}

const rows = "document.querySelectorAll('#table tbody tr')"

func TestPage(t *testing.T) {
	nd, b := onPage(t, 60, 1280, 900)
	b.until(rows + ".length === 20")
	b.until("document.querySelector('#summary').dataset.level === 'notice'")

	// A stranger finds why a task was killed.
	b.do(chromedp.Click(chromedp.CSS("#kinds input[value=kills]")))
	b.until("document.querySelectorAll('#feed li').length === 2")
	b.do(chromedp.Click(chromedp.CSS("#feed button")))
	b.until("document.querySelector('#explanation').open && document.querySelector('#explanation pre').innerText.includes('Weighed, best victim first')")
	b.shot("explanation")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("!document.querySelector('#explanation').open")

	// So does the mark in the chart, by keyboard.
	eval[bool](b, "document.querySelector('.mark.kill').focus() ?? true")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelector('#explanation').open && document.querySelector('#explanation pre').innerText.includes('node CPU at 99%')")
	b.do(chromedp.KeyEvent(kb.Escape))
	eval[bool](b, "document.querySelector('.chart svg').focus() ?? true")
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.until("document.querySelector('.chart .unseen').textContent.includes('regular use')")

	// Filter, class, order, more.
	b.do(chromedp.SendKeys(chromedp.CSS("#filter"), "batch.59"))
	b.until(rows + ".length === 1 && document.querySelector('#table tbody').innerText.includes('batch.59')")
	b.do(chromedp.Click(chromedp.CSS("#table tbody .name")))
	b.until("document.querySelector('#explanation pre').innerText.includes('framework 20260301-120000')")
	b.do(chromedp.KeyEvent(kb.Escape))
	eval[bool](b, "(document.querySelector('#filter').value = '', document.querySelector('#filter').dispatchEvent(new Event('input')))")
	b.do(chromedp.Click(chromedp.CSS("#more")))
	b.until(rows + ".length === 60")
	b.do(chromedp.Click(chromedp.CSS("#table thead th:first-child button")))
	b.until("document.querySelector('#table thead th').ariaSort === 'ascending' && document.querySelector('#table tbody th').innerText.startsWith('batch')")
	eval[bool](b, "(document.querySelector('#class').value = 'revocable', document.querySelector('#class').dispatchEvent(new Event('change')))")
	b.until(rows + ".length === 15")
	b.do(chromedp.Click(chromedp.CSS("#window input[value='24h']")))
	b.until("document.querySelector('.chart svg').textContent.length > 0 && document.querySelector('.chart .mark.kill') !== null")

	// It follows the ticks.
	before := eval[string](b, "document.querySelector('#table').innerText + document.querySelector('#rules').innerText")
	nd.tick(func(r *decision.Record) {
		r.QoS.Rules[0].Value, r.QoS.Rules[0].Active, r.QoS.Rules[0].Why, r.QoS.Why = snapshot.ValueOf(0.97), true, reason.Throttled, reason.Throttled
	})
	b.until("document.querySelector('#summary').textContent.includes('rule cpu is active')")
	b.until("document.querySelector('#rules').innerText.includes('97 %')")
	if now := eval[string](b, "document.querySelector('#table').innerText + document.querySelector('#rules').innerText"); now == before {
		t.Error("a tick changes nothing")
	}
	b.calm()
}

func TestPageOnANarrowScreen(t *testing.T) {
	_, b := onPage(t, 60, 390, 800)
	b.until(rows + ".length === 20")
	b.until("document.querySelector('.chart .area.regular').getAttribute('d').length > 100")
	b.shot("narrow")
	if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("the page is %d pixels wide", wide)
	}
	b.do(chromedp.Click(chromedp.CSS("#table tbody .name")))
	b.until("document.querySelector('#explanation').open && document.querySelector('#explanation').getBoundingClientRect().right <= 390")
	b.calm()
}

// A page whose daemon is gone says so, and is right again when another one is there.
func TestPageReconnects(t *testing.T) {
	nd := newNode(8, time.Now().Add(-time.Minute).UTC())
	cfg := nd.config()
	s, err := cfg.ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	address := s.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(ctx) }()
	go func() { ended <- cfg.Remember(ctx) }()
	nd.tick(nil)
	nd.settled(t)
	b := open(t, "http://"+address, 1280, 900)
	b.until(rows + ".length === 8")
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	b.until("document.querySelector('#link').textContent.includes('has ended the stream')")
	// That time has passed, and that it slept, the page tells from its clock.
	later := "(window.asked = 0, window.fetch = ((f) => (...a) => { window.asked++; return f(...a); })(fetch), Date.now = ((n) => () => n() + 3600e3)(Date.now), true)"
	eval[bool](b, later)
	b.until("document.querySelector('#summary').textContent.includes('No news from the daemon')")

	nd = newNode(5, time.Now().Add(-time.Minute).UTC())
	cfg = nd.config()
	cfg.Listen = address
	if s, err = cfg.ListenLoopback(); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	remembering(t, cfg)
	nd.ticking(t, 100*time.Millisecond)
	b.until(rows + ".length === 5 && document.querySelector('#link').textContent === '' && document.querySelector('#summary').dataset.level !== 'bad'")
	eval[bool](b, later)
	b.until("window.asked >= 2")
}

// Names and labels are chosen by whoever starts a task.
func TestTextOfOthersStaysText(t *testing.T) {
	const evil = `<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>`
	nd := newNode(4, time.Now().Add(-time.Minute).UTC())
	for i := range nd.snapshot.Containers {
		x := nd.snapshot.Containers[i].Executor
		x.ExecutorID, x.FrameworkID, x.Name, x.Role = evil, evil, evil, evil
		x.Tasks[0].ID, x.Tasks[0].Name = evil, evil
		x.Tasks[0].Labels = []snapshot.Label{{Key: evil, Value: evil}}
	}
	base := nd.serve(t)
	nd.tick(func(r *decision.Record) { r.Agent, r.QoS.Rules[0].Name = evil, evil })
	nd.kill(t, 3)
	nd.tick(nil)
	nd.settled(t)
	b := open(t, base, 1280, 900)
	b.until(rows + ".length === 4")
	b.do(chromedp.Click(chromedp.CSS("#table tbody .name")))
	b.until("document.querySelector('#explanation pre').innerText.includes('label <img src=x')")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.do(chromedp.Click(chromedp.CSS("#feed button")))
	b.until("document.querySelector('#explanation pre').innerText.includes('executor <img')")
	b.shot("hostile")
	if n := eval[int](b, "document.querySelectorAll('img, main script, #explanation script').length"); n != 0 || !eval[bool](b, "window.hurt === undefined") {
		t.Errorf("text became %d elements", n)
	}
	// And if it did, nothing would be run.
	eval[bool](b, "(document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hurt=1\">'), true)")
	b.until("document.images.length === 1 && document.images[0].complete")
	if !eval[bool](b, "window.hurt === undefined") {
		t.Error("the page's policy lets inline script run")
	}
}

// axe is axe-core as npm has it.
func axe(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("no npm in PATH (Debian: apt install npm)")
	}
	dir := t.TempDir()
	cmd := exec.Command(npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4.10.3")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("npm cannot install axe-core: %v: %.300s", err, out)
	}
	script, err := os.ReadFile(dir + "/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

func TestPageIsAccessible(t *testing.T) {
	script := axe(t)
	_, b := onPage(t, 60, 1280, 900)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"narrow", "light", 390, 800}} {
		b.do(chromedp.EmulateViewport(look.width, look.height), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
			})
			return err
		}))
		b.until(rows + ".length === 20 && document.querySelector('.mark') !== null")
		b.shot(look.name)
		for _, part := range []string{"document", "document.querySelector('#explanation')"} {
			for _, found := range eval[[]string](b, script+`; axe.run(`+part+`).then((r) => r.violations.map((v) => v.impact + ": " + v.id + ", " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200)).join("\n")))`) {
				t.Errorf("%s: %s", look.name, found)
			}
			eval[bool](b, "(document.querySelector('#explanation').open || document.querySelector('#feed button').click(), true)")
			b.until("document.querySelector('#explanation').open")
		}
		b.do(chromedp.KeyEvent(kb.Escape))
	}
}

// BenchmarkPagePaint opens the page of 500 containers: ms until it is painted first.
func BenchmarkPagePaint(b *testing.B) {
	_, page := onPage(b, 500, 1280, 900)
	sum := 0.0
	for range b.N {
		page.do(chromedp.Reload())
		page.until("performance.getEntriesByName('first-contentful-paint').length > 0 && " + rows + ".length > 0")
		sum += eval[float64](page, "performance.getEntriesByName('first-contentful-paint')[0].startTime")
	}
	b.ReportMetric(sum/float64(b.N), "paint-ms/op")
}

// BenchmarkPageTick is what a tick of 500 containers costs the page: ms of script,
// and of all that the browser does for it.
func BenchmarkPageTick(b *testing.B) {
	nd, page := onPage(b, 500, 1280, 900)
	page.until(rows + ".length > 0")
	spent := func() (script, task float64) {
		m, err := chromedp.Run(page.ctx, func(ctx context.Context, t *chromedp.Target) (performance.GetMetricsResult, error) {
			if _, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{}); err != nil {
				return performance.GetMetricsResult{}, err
			}
			return chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
		})
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range m.Metrics {
			switch v.Name {
			case "ScriptDuration":
				script = v.Value
			case "TaskDuration":
				task = v.Value
			}
		}
		return script, task
	}
	script, task := spent()
	for range b.N {
		nd.tick(nil)
		time.Sleep(time.Second)
	}
	script2, task2 := spent()
	b.ReportMetric(1000*(script2-script)/float64(b.N), "script-ms/op")
	b.ReportMetric(1000*(task2-task)/float64(b.N), "task-ms/op")
}
