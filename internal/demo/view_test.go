package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
)

func someBoard(at time.Duration) board {
	return board{
		At: at, Step: "2. something", Why: "raise_step",
		Metrics: metrics{
			`estimatord_regular_allocated_cores{resource="cpus"}`: 1.6,
			`estimatord_slack_cores{resource="cpus"}`:             1.1,
			`estimatord_rule_signal{rule="cpu-contended"}`:        0.5,
		},
		Service: workload.Report{Asked: 0.3, Achieved: 0.25}, Serving: true,
		HogCores: 0.75, HogRuns: true, Others: 0.1,
	}
}

func TestPlainView(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, planFor(2), false)
	v.show(someBoard(time.Second))
	v.show(someBoard(time.Second + tick)) // too soon for another line
	v.say(1700*time.Millisecond, "something happened")
	v.show(someBoard(2 * time.Second))
	v.close()
	want := `  1.0s   service 0.25 of 0.30 asked hog 0.75 others 0.10 | allocated 1.60 usage - peak - slack 1.10 promised - offered - (raise step) | busy 50 %
  1.7s * something happened
  2.0s   service 0.25 of 0.30 asked hog 0.75 others 0.10 | allocated 1.60 usage - peak - slack 1.10 promised - offered - (raise step) | busy 50 %
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTable(t *testing.T) {
	text := strings.Join(someBoard(time.Second).table(planFor(2)), "\n")
	for _, want := range []string{
		"  1.0s  2. something", "service    regular          1.5      0.25  █████", "hog        revocable          -      0.75  ██████████████",
		"slack   1.10 = allocated 1.60 − peak - − margin - − unmanaged -", "(raise step)", "50 % busy, limit 92 %",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if got := bar(-1, 2) + bar(0, 2); got != "" {
		t.Errorf("bars of nothing are %q", got)
	}
	if got := len([]rune(bar(5, 2))); got != barWidth {
		t.Errorf("a bar of more than all is %d long, want %d", got, barWidth)
	}
}

func TestParseMetrics(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(`# HELP estimatord_slack_cores Some text.
# TYPE estimatord_slack_cores gauge
estimatord_slack_cores{resource="cpus"} 1.25
estimatord_ticks_total 7
go_goroutines many
`))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := m.cpus("slack"); !ok || v != 1.25 {
		t.Errorf("slack is %g, %t, want 1.25", v, ok)
	}
	if v, ok := m.cpus("offered"); ok {
		t.Errorf("there is an offer of %g from nowhere", v)
	}
	if len(m) != 2 {
		t.Errorf("got %v, want two samples", m)
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("estimatord_x 1\n")
	f.Add("estimatord_x")
	f.Add("estimatord_x{a=\"b c\"} NaN\n\n# estimatord_\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMetrics(strings.NewReader(text)); err != nil && !errors.Is(err, errMetrics) || err != nil && m != nil {
			t.Errorf("parseMetrics(%q) = %v, %v", text, m, err)
		}
	})
}

func TestReason(t *testing.T) {
	name := func(code string) string {
		return `estimatord_offer_decisions_total{reason="` + code + `",resource="cpus"}`
	}
	before := metrics{name("slack"): 9, name("hold"): 1, `estimatord_offer_decisions_total{reason="cap",resource="mem"}`: 0}
	now := metrics{name("slack"): 9, name("hold"): 2, `estimatord_offer_decisions_total{reason="cap",resource="mem"}`: 5}
	if got := reason(before, now); got != "hold" {
		t.Errorf("the reason is %q, want hold", got)
	}
	if got := reason(now, now); got != "" {
		t.Errorf("without a tick the reason is %q, want none", got)
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"offer","resource":"cpus","offered":"0.4","revocable_total":"1.1","why":"raise_step"}`: "daemon: offers 0.4 cpus, promises 1.1 in all (raise step)",
		`{"level":"WARN","msg":"kill","executor":"hog-1","rule":"r","why":"r: busy"}`:                                                               "daemon: kill hog-1: r: busy",
		`{"level":"ERROR","msg":"serve","err":"broken"}`:                                                                                            "daemon: serve: broken",
	} {
		if got := sentence(process.Parse(in)); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	r := Result{
		Points: []Point{{Name: "first", OK: true, Seen: "yes"}, {Name: "second", Expected: "much", Seen: "little", Because: "others"}},
		Times:  []Measured{{"one to two", 1234567 * time.Microsecond}}, Took: 9 * time.Second,
	}
	var out bytes.Buffer
	r.write(&out)
	for _, want := range []string{
		"  ok      first: yes\n", "  FAILED  second\n", "expected: much\n", "seen:     little\n", "likely:   others\n",
		"1.23s\n", "did NOT come out as told, in 9 s.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if r.OK() {
		t.Error("a story with a failed point came out")
	}
	if (Result{Points: []Point{{OK: true}}}).OK() {
		t.Error("a story that ended early came out")
	}
	whole := Result{Points: make([]Point, storyPoints)}
	for i := range whole.Points {
		whole.Points[i].OK = true
	}
	if !whole.OK() {
		t.Error("a whole story did not come out")
	}
}
