package replay

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// publicTraces are the traces of the comparison in docs/evidence/estimators.md; they
// are not part of the project.
func publicTraces(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("ESTIMATORD_TRACES")
	if dir == "" {
		t.Skip("ESTIMATORD_TRACES is not set: it names the directory of the public traces (agents, bitbrains, google, planetlab)")
	}
	var paths []string
	for _, name := range []string{"agents", "bitbrains", "google", "planetlab"} {
		paths = append(paths, filepath.Join(dir, name+".csv.gz"))
	}
	return paths
}

func total(t *testing.T, req Request, resource string) Total {
	t.Helper()
	req.Traces, req.BurnIn = publicTraces(t), max(req.BurnIn, -1)
	if resource != "" {
		req.Resources = []string{resource}
	}
	r, err := Run(&req)
	if err != nil {
		t.Fatal(err)
	}
	return r.Totals()[0]
}

func TestPublicTracesDefault(t *testing.T) {
	t.Parallel()
	got := total(t, Request{Estimators: []string{"tce"}, TargetViolation: 0.01, BurnIn: -1}, "")
	if got.Cells != 16 || got.Savings < 0.775 || got.CellsAboveTarget > 0 {
		t.Errorf("savings %.4f with %d of %d cells above 1 %%, want at least 0.775 and none of 16", got.Savings, got.CellsAboveTarget, got.Cells)
	}
}

func TestPublicTracesKeepEveryTarget(t *testing.T) {
	t.Parallel()
	for _, target := range []float64{0.01, 0.005, 0.002} {
		got := total(t, Request{Estimators: []string{"tce"}, TargetViolation: target, BurnIn: -1}, CPU)
		if got.Cells != 9 || got.WorstViolationRate > target {
			t.Errorf("target %.3f: the worst of %d CPU cells violates in %.4f", target, got.Cells, got.WorstViolationRate)
		}
	}
}

func TestPublicTracesOneInstance(t *testing.T) {
	t.Parallel()
	got := total(t, Request{Estimators: []string{"tce"}, TargetViolation: 0.01, BurnIn: -1, OneInstance: true}, CPU)
	if got.Savings < 0.715 || got.CellsAboveTarget > 0 { // the trace of two hours is all first day
		t.Errorf("savings %.4f with %d CPU cells above 1 %%, want at least 0.715 and none", got.Savings, got.CellsAboveTarget)
	}
}

// The reference evaluation's numbers, to see that this one measures the same.
func TestPublicTracesAgreeWithTheReference(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		estimator                 string
		savings, violation, worst float64
	}{
		{"latest", 0.883, 0.6498, 0.9049},
		{"node-max", 0.696, 0.0006, 0.0025},
		{"container-max:window=24h", 0.758, 0.0177, 0.0608},
		{"percentile-sum", 0.784, 0.0273, 0.0706},
		{"n-sigma", 0.713, 0.0317, 0.1127},
		{"max-nsigma-percentile:window=24h", 0.646, 0.0106, 0.0422},
	} {
		got := total(t, Request{Estimators: []string{tc.estimator}, TargetViolation: 0.01, BurnIn: -1}, "")
		if abs(got.Savings-tc.savings) > 0.003 || abs(got.ViolationRate-tc.violation) > 0.002 || abs(got.WorstViolationRate-tc.worst) > 0.004 {
			t.Errorf("%s: savings %.4f, violations %.4f, worst %.4f; the reference has %.3f, %.4f, %.4f", tc.estimator,
				got.Savings, got.ViolationRate, got.WorstViolationRate, tc.savings, tc.violation, tc.worst)
		}
	}
}

// The whole loop with the daemon's own governor, for two days of each trace.
func TestPublicTracesWholeLoop(t *testing.T) {
	t.Parallel()
	r, err := Run(&Request{
		Traces: publicTraces(t), Resources: []string{CPU}, Estimators: []string{"tce"}, TargetViolation: 0.01, BurnIn: -1,
		Until: 48 * time.Hour, BestEffort: 30 * time.Minute, Policy: busyPolicy(), Tick: agentReport,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Whole {
		if s := &r.Whole[i]; s.ContentionRate > 0.005 || s.Goodput < 0.5 || s.MessagesPerHour > s.RawMessagesPerHour/2 {
			t.Errorf("%s: goodput %.3f, contended %.4f, %.1f of %.1f messages; want at least 0.5, at most 0.005 and half",
				s.Dataset, s.Goodput, s.ContentionRate, s.MessagesPerHour, s.RawMessagesPerHour)
		}
	}
}

// From an empty state, with the target that daemon and replay take for a first day.
func TestPublicTracesFirstDay(t *testing.T) {
	t.Parallel()
	paths := publicTraces(t)
	var savings, worst float64
	cells := 0
	for i, until := range []time.Duration{75 * time.Minute, 25 * time.Hour, 25 * time.Hour, 25 * time.Hour} {
		r, err := Run(&Request{
			Traces: paths[i : i+1], Estimators: []string{"tce"}, TargetViolation: 0.01, Until: until,
		})
		if err != nil {
			t.Fatal(err)
		}
		for j := range r.Cells {
			cells++
			savings += r.Cells[j].Savings
			worst = max(worst, r.Cells[j].ViolationRate)
		}
	}
	if cells != 16 || savings/16 < 0.68 || worst > 0.02 {
		t.Errorf("savings %.4f, worst of %d cells %.4f; want at least 0.68 and at most 0.02", savings/16, cells, worst)
	}
}

func abs(x float64) float64 { return max(x, -x) }
