package replay

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	compared "github.com/estimatord/estimatord/internal/replay/predict"
)

// A spreadsheet puts a byte order mark before the header.
func TestByteOrderMarkIsTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bom.csv")
	text := "\ufeff" + Header + "\n60,n0c4,a,1,2,,\n120,n0c4,a,1,2,,\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if trace, err := OpenTrace(path, TraceOptions{}); err != nil || trace.Rows != 2 {
		t.Errorf("%+v, %v; want two rows", trace, err)
	}
}

// A shuffled trace is refused, also where malformed rows are skipped, and the
// command in the error sorts it.
func TestShuffledTraceIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	lines := synthetic{seed: 4, nodes: 2, steady: 3, fleeting: 2, steps: 50, interval: 300}.lines()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	path := write(t, "shuffled.csv", lines...)
	_, err := OpenTrace(path, TraceOptions{SkipMalformed: true})
	if !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), sortHint) {
		t.Fatalf("%v, want %v with a command that sorts", err, ErrOrder)
	}
	sorted := filepath.Join(t.TempDir(), "sorted.csv")
	command := strings.NewReplacer("TRACE", path, "SORTED", sorted).Replace(sortHint)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	if trace, err := OpenTrace(sorted, TraceOptions{}); err != nil || trace.Rows != len(lines) {
		t.Errorf("sorted: %+v, %v; want all %d rows", trace, err, len(lines))
	}
}

func TestGapsAreNamed(t *testing.T) {
	t.Parallel()
	path := write(t, "gap.csv", "60,n0c4,a,1,2,,", "120,n0c4,a,1,2,,", "60,n0c4,b,1,2,,", "1700000000,n0c4,b,1,2,,")
	_, err := OpenTrace(path, TraceOptions{})
	if !errors.Is(err, ErrGap) || !strings.Contains(err.Error(), `"b"`) || !strings.Contains(err.Error(), "1700000000") || !strings.Contains(err.Error(), "--allow-gaps") {
		t.Errorf("%v, want the container and the time named, and the way to take it", err)
	}
	if _, err := OpenTrace(path, TraceOptions{AllowGaps: true}); err != nil {
		t.Errorf("with --allow-gaps: %v", err)
	}
	// Containers come one after the other: what is between two may come later.
	month := int64(28 * 24 * 3600)
	var lines []string
	for _, id := range []string{"a", "c", "b"} {
		for k := range int64(2) {
			at := map[string]int64{"a": 60, "b": 60 + month, "c": 60 + 2*month}[id] + 60*k
			lines = append(lines, (&Row{At: at, CPU: Amounts{Used: 1, Allocated: 2, Present: true}}).text("n0c4", id))
		}
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	if _, err := OpenTrace(write(t, "filled.csv", lines...), TraceOptions{}); err != nil {
		t.Errorf("a gap that another container fills: %v", err)
	}
}

func TestNothingScoredIsAnError(t *testing.T) {
	t.Parallel()
	path := write(t, "short.csv", manyRows(20)...)
	r, err := Run(&Request{Traces: []string{path}, Estimators: []string{"latest"}, BurnIn: 24 * time.Hour, Horizons: []time.Duration{5 * time.Minute}})
	if !errors.Is(err, ErrNothingScored) || r == nil || len(r.Traces) != 1 {
		t.Errorf("%+v, %v; want the report, and %v", r, err, ErrNothingScored)
	}
	cmd := Command()
	cmd.SetArgs([]string{"--trace", path, "--estimator", "latest", "--burn-in", "24h", "--horizon", "5m"})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	if err := cmd.Execute(); !errors.Is(err, ErrNothingScored) {
		t.Errorf("the command: %v", err)
	}
}

// Who ends a replay gets what was scored so far.
func TestEndedReplayReportsWhatItKnows(t *testing.T) {
	t.Parallel()
	first := write(t, "first.csv", manyRows(40)...)
	second := write(t, "second.csv", synthetic{seed: 1, nodes: 3, steady: 3, steps: 400, interval: 300}.lines()...)
	ctx, end := context.WithCancel(t.Context())
	r, err := Run(&Request{
		Traces: []string{first, second}, Estimators: []string{"latest"}, TargetViolation: 0.01, Horizons: []time.Duration{5 * time.Minute}, Context: ctx,
		Progress: func(doing string, _, _ int64) {
			if strings.HasPrefix(doing, "replaying "+second) {
				end()
			}
		},
	})
	if !errors.Is(err, ErrCutShort) {
		t.Fatalf("%v, want %v", err, ErrCutShort)
	}
	if len(r.Cells) < 1 || r.Cells[0].Steps != 39 {
		t.Errorf("cells %+v, want that of the first trace with 39 steps", r.Cells)
	}
}

func TestUntilHoldsForTheWholeLoop(t *testing.T) {
	t.Parallel()
	trace, err := OpenTrace(write(t, "long.csv", manyRowsOf(0.5, 100)...), TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := wholeOptions()
	o.Until = 10 * time.Minute
	score, err := EvaluateWhole(trace, mustParse(t, "latest"), mustParseConfig(), o)
	if err != nil || score.Ticks != 10*12 {
		t.Errorf("%d ticks of 5 s in 10 min, %v; want 120", score.Ticks, err)
	}
}

func TestWholeLoopTakesEveryEstimator(t *testing.T) {
	t.Parallel()
	for _, name := range compared.Predictors().Names() {
		if score, err := EvaluateWhole(burst(t), mustParse(t, name), mustParseConfig(), wholeOptions()); err != nil || score.Ticks != 48 {
			t.Errorf("%s: %d ticks, %v", name, score.Ticks, err)
		}
	}
}

func TestProgressSaysHowFastAndHowLong(t *testing.T) {
	t.Parallel()
	if got, want := progressLine("reading x", 25, 100, 5*time.Second), "reading x: 25 %, 5 % a second, 15s left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := progressLine("reading x", 1, 100, 0), "reading x: 1 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestChartsSayTheirUnit(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	if err := smallReport(t).WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">cores</text>", ">MiB</text>", "min-width: 44rem", `<div class="scroll"><svg`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
