package demo

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/signal"
)

func someBoard(at time.Duration) *board {
	cpus := estimator.ResourceOffer{
		Resource: resources.CPUs, RevocableTotal: 1000, Offered: 300, Why: "raise_step",
		Allocated: &estimator.Allocated{RegularAllocated: 1600, RevocableAllocated: 700},
		Estimate:  &estimator.Estimate{Peak: 300, Margin: 150, Unmanaged: 50, Slack: 1100},
	}
	busy := qos.RuleState{Name: ruleName, Reading: signal.Reading{Value: snapshot.ValueOf(0.5)}}
	return &board{
		At: at, Step: "2. something", Asked: 0.3, Service: use{Runs: true, Cores: 0.25}, Hog: use{Runs: true, Cores: 0.75}, Others: 0.1,
		Tick: &decision.Record{
			Offer: estimator.Offer{Resources: []estimator.ResourceOffer{cpus}}, QoS: qos.Decision{Rules: []qos.RuleState{busy}},
		},
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
	const line = "service 0.25 of 0.30 asked, hog 0.75, others 0.10 | slack 1.10 = allocated 1.60 − peak 0.30 − margin 0.15 − unmanaged 0.05" +
		" | revocable total 1.00, offered 0.30 (raise step) | busy 50 %\n"
	want := "  1.0s   " + line + "  1.7s * something happened\n  2.0s   " + line
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTable(t *testing.T) {
	text := strings.Join(someBoard(time.Second).table(planFor(2)), "\n")
	for _, want := range []string{
		"  1.0s  2. something", "service    regular          1.5      0.25  █████", "hog        revocable       0.70      0.75  ██████████████",
		"slack 1.10 = allocated 1.60 − peak 0.30 − margin 0.15 − unmanaged 0.05", "(raise step)", "50 % busy, limit 92 %",
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
	unknown := &board{Tick: &decision.Record{}}
	if text := strings.Join(unknown.table(planFor(2)), "\n"); !strings.Contains(text, "slack - ") || !strings.Contains(text, "rule  - busy") {
		t.Errorf("without a tick there is\n%s", text)
	}
}

func TestNews(t *testing.T) {
	offer := func(offered, total resources.Milli) *decision.Record {
		return &decision.Record{Offer: estimator.Offer{Resources: []estimator.ResourceOffer{
			{Resource: resources.CPUs, Offered: offered, RevocableTotal: total, Why: "raise_step"},
		}}}
	}
	if got, want := news(&decision.Record{}, offer(400, 1100)), "offers 0.4 cpus, revocable total 1.1 (raise step)"; !slices.Equal(got, []string{want}) {
		t.Errorf("the first offer is %q, want %q", got, want)
	}
	if got := news(offer(400, 1100), offer(400, 1100)); got != nil {
		t.Errorf("the same offer is %q", got)
	}
	var out bytes.Buffer
	s := &story{view: newView(&out, planFor(2), true)}
	s.logged(process.Line{Msg: "kill", Level: "WARN", Executor: "hog-1", Why: "r: busy"})
	if !strings.Contains(out.String(), "daemon: kill hog-1: r: busy") {
		t.Errorf("a kill is %q", out.String())
	}
	if _, why, ok := s.killOf("hog-1"); !ok || why != "r: busy" {
		t.Errorf("the kill is because of %q, %t", why, ok)
	}
	if _, _, ok := s.killOf("hog-2"); ok {
		t.Error("there is a kill of another")
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
	whole := Result{Points: make([]Point, storyPoints), points: storyPoints}
	for i := range whole.Points {
		whole.Points[i].OK = true
	}
	if !whole.OK() {
		t.Error("a whole story did not come out")
	}
}
