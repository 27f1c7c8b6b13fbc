package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

func busyPolicy() *policy.Policy {
	p := policy.DefaultPolicy()
	p.Victims.MinUsage = 0
	p.Rules = []policy.Rule{{
		Name: "cpu", Signal: signal.NodeCPU, Above: 0.95, Clear: 0.9, For: 5 * time.Second, Settle: 5 * time.Second, Action: policy.Kill, Immediate: true,
	}}
	return &p
}

// quick is a governor that hands the slack out as it is.
func quick(string) estimator.GovernorConfig {
	return estimator.GovernorConfig{Quantum: 1, Step: 1_000_000, HoldOff: time.Hour}
}

func wholeOptions() WholeOptions {
	return WholeOptions{
		Policy: busyPolicy(), Tick: 5 * time.Second, Length: time.Hour, Governor: quick,
	}
}

// burst is a node of 4 cores whose regular container uses half a core for a
// minute, then all of its 4.
func burst(t *testing.T) *Trace {
	t.Helper()
	trace, err := OpenTrace(write(t, "burst.csv",
		"60,n0c4,web,0.5,4,,", "120,n0c4,web,4,4,,", "180,n0c4,web,4,4,,", "240,n0c4,web,0.5,4,,"), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func mustParse(t *testing.T, text string) Estimator {
	t.Helper()
	e, err := ParseEstimator(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWholeLoopStory(t *testing.T) {
	t.Parallel()
	got, err := EvaluateWhole(burst(t), mustParse(t, "latest"), predict.Config{}, wholeOptions())
	if err != nil {
		t.Fatal(err)
	}
	// Three tasks take the 3.5 cores of slack. The burst makes 7 of 4 cores: the
	// rule holds after 5 s, and takes one after the other: kill, gone, settle.
	if got.Started != 3 || got.Kills != 3 || got.WrongKills != 0 || got.Contentions != 1 {
		t.Errorf("%d started, %d killed (%d wrongly), contended %d times; want 3, 3, 0 and once", got.Started, got.Kills, got.WrongKills, got.Contentions)
	}
	if got.ReliefMaxSeconds < 10 || got.ReliefMaxSeconds > 45 || got.ReliefMeanSeconds != got.ReliefMaxSeconds {
		t.Errorf("relief after %v s, mean %v s; want three kills of 5 s to 15 s each", got.ReliefMaxSeconds, got.ReliefMeanSeconds)
	}
	if got.Goodput != 0 || got.LostHours < 3*55/3600.0 || got.LostHours > 3*100/3600.0 {
		t.Errorf("goodput %v and %v core-hours lost; want none and three tasks of a minute or a little more", got.Goodput, got.LostHours)
	}
	if got.Ticks != 48 {
		t.Errorf("%d ticks, want 48 in four minutes", got.Ticks)
	}
}

func TestWholeLoopWithoutRulesKillsNothing(t *testing.T) {
	t.Parallel()
	o := wholeOptions()
	o.Policy = nil
	got, err := EvaluateWhole(burst(t), mustParse(t, "latest"), predict.Config{}, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kills != 0 || got.ReliefMaxSeconds != 120 {
		t.Errorf("%d kills, relief after %v s; want none and 120 s, when the burst is over", got.Kills, got.ReliefMaxSeconds)
	}
}

// Throttled, the tasks of the story live: they wait for the burst to be over.
func TestWholeLoopThrottles(t *testing.T) {
	t.Parallel()
	o := wholeOptions()
	r := policy.Rule{Name: "pressure", Signal: signal.RegularCPUPressure, Above: 0.1, Clear: 0.05, Action: policy.Throttle, Immediate: true}
	o.Policy.Rules = []policy.Rule{r}
	got, err := EvaluateWhole(burst(t), mustParse(t, "latest"), predict.Config{}, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kills != 0 || got.LostHours != 0 || got.Contentions == 0 {
		t.Errorf("%d killed, %v hours lost, contended %d times; want none, none, and contention", got.Kills, got.LostHours, got.Contentions)
	}
	if got.ReliefMaxSeconds > 10 {
		t.Errorf("relief after %v s, want it at the tick after the first that sees it", got.ReliefMaxSeconds)
	}
	// Three tasks on a node of which the service wants all for two minutes.
	if most := 3 * 120 / 3600.0; got.WithheldHours < 0.5*most || got.WithheldHours > 1.3*most {
		t.Errorf("%v hours withheld, want about %v", got.WithheldHours, most)
	}
	o.Policy.Rules[0].Shadow = true
	if shadow, err := EvaluateWhole(burst(t), mustParse(t, "latest"), predict.Config{}, o); err != nil || shadow.ReliefMaxSeconds != 120 {
		t.Errorf("in shadow mode: relief after %v s, %v; want 120 s", shadow.ReliefMaxSeconds, err)
	}
}

func TestWholeLoopCompletesTasks(t *testing.T) {
	t.Parallel()
	o := wholeOptions()
	o.Length = 30 * time.Second
	trace, err := OpenTrace(write(t, "calm.csv", manyRowsOf(0.5, 10)...), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := EvaluateWhole(trace, mustParse(t, "latest"), predict.Config{}, o)
	if err != nil {
		t.Fatal(err)
	}
	// 3 of 4 cores, but for the end.
	if got.Kills != 0 || got.Goodput < 0.70 || got.Goodput > 0.75 {
		t.Errorf("goodput %v with %d kills, want nearly 0.75 with none", got.Goodput, got.Kills)
	}
}

func manyRowsOf(used float64, n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("%d,n0c4,web,%v,4,,", 60*(i+1), used)
	}
	return rows
}

func TestWholeLoopRefuses(t *testing.T) {
	t.Parallel()
	nameless, err := OpenTrace(write(t, "x.csv", "60,node,a,1,2,,", "120,node,a,1,2,,"), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	latest := mustParse(t, "latest")
	slow := wholeOptions()
	slow.Tick = time.Hour
	for name, try := range map[string]func() (WholeScore, error){
		"a predictor that the daemon has not": func() (WholeScore, error) {
			return EvaluateWhole(burst(t), says("e"), predict.Config{}, wholeOptions())
		},
		"a node of unknown size": func() (WholeScore, error) { return EvaluateWhole(nameless, latest, predict.Config{}, wholeOptions()) },
		"ticks longer than a step": func() (WholeScore, error) {
			return EvaluateWhole(burst(t), latest, predict.Config{}, slow)
		},
	} {
		if _, err := try(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want %v", name, err, ErrOptions)
		}
	}
}

// A simulated Snapshot is what the daemon's parts expect: sorted, consistent,
// and with tasks that may be victims.
func TestSimulatedSnapshot(t *testing.T) {
	t.Parallel()
	now := timeOf(600)
	o := wholeOptions()
	n, err := newWholeNode(4, mustParse(t, "latest"), predict.Config{}, &o, &WholeScore{})
	if err != nil {
		t.Fatal(err)
	}
	n.enter(&Step{At: 600, IDs: []string{"a", "b"}, Rows: []Row{
		{CPU: Amounts{Used: 3, Allocated: 2, Present: true}}, {CPU: Amounts{Used: 0.5, Allocated: 1, Present: true}},
	}}, now)
	n.launch(now)
	n.launch(now)
	n.node.Share(time.Second)
	s := n.node.Snapshot(now)
	sorted := slices.IsSortedFunc(s.Containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
	if len(s.Containers) != 4 || !sorted {
		t.Fatalf("%d containers, sorted %v", len(s.Containers), sorted)
	}
	if got := s.Usage.Regular().Get("cpus").Float(); got != 3 {
		t.Errorf("regular %v, want 3", got)
	}
	if got := s.Usage.Revocable().Get("cpus").Float(); got != 2 {
		t.Errorf("revocable %v, want 2", got)
	}
	if s.Host.BusyCores.V != 4 {
		t.Errorf("busy %v, want all 4 of the 2+0.5+2 wanted", s.Host.BusyCores.V)
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		_, err := qos.NewVictim(c, qos.Cause{Rule: "r"})
		if task := strings.HasPrefix(c.ID, "~task-"); task != (err == nil) {
			t.Errorf("%s as a victim: %v", c.ID, err)
		}
	}
}

func TestWholeLoopInTheReport(t *testing.T) {
	t.Parallel()
	path := write(t, "loop.csv", manyRowsOf(0.5, 10)...)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("rules:\n  - name: cpu\n    signal: node_cpu\n    above: 0.95\n    for: 5s\n    settle: 5s\n    action: kill\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := Command()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--trace", path, "--estimator", "latest,tce", "--policy", policy, "--best-effort", "1m", "--json"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Whole []WholeScore `json:"whole_loop"`
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Whole) != 2 || doc.Whole[1].Estimator != "tce" || doc.Whole[1].Ticks != 120 {
		t.Errorf("whole loops: %+v", doc.Whole)
	}
}
