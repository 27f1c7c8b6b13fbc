package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func smallReport(t *testing.T) *Report {
	t.Helper()
	r, err := Run(&Request{
		Traces:     []string{write(t, "small.csv", synthetic{seed: 2, nodes: 2, steady: 4, fleeting: 2, steps: 120, interval: 300}.lines()...)},
		Estimators: []string{"tce", "node-max:window=24h:margin=0.1"}, TargetViolation: 0.01, BurnIn: -1,
		Timelines: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJSONKeysAreAContract(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := smallReport(t).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Results []map[string]any `json:"results"`
		Totals  []map[string]any `json:"totals"`
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Results) != 8 { // cpus and mem, 5 min and 1 h, two estimators
		t.Errorf("%d results, want 8", len(doc.Results))
	}
	want := []string{
		"churn_changes", "churn_shrinks", "dataset",
		"estimator", "horizon_s", "oracle_savings",
		"resource", "savings", "severity_mean", "severity_p99", "steps",
		"violation_rate", "worst_node_violation_rate",
	}
	if got := slices.Sorted(maps.Keys(doc.Results[0])); !slices.Equal(got, want) {
		t.Errorf("keys of a result:\n%v, want\n%v", got, want)
	}
	first := doc.Results[0]
	if first["estimator"] != "tce" || first["dataset"] != "small" || first["resource"] != "cpus" || first["horizon_s"] != 300.0 {
		t.Errorf("the first result is of %v %v %v %v", first["estimator"], first["dataset"], first["resource"], first["horizon_s"])
	}
	if len(doc.Totals) != 2 || doc.Totals[1]["estimator"] != "node-max:window=24h:margin=0.1" {
		t.Errorf("totals: %v", doc.Totals)
	}
}

func TestTotalsAreMeansOverCells(t *testing.T) {
	t.Parallel()
	r := Report{Target: 0.01, Cells: []Cell{
		{Estimator: "e", Score: Score{Savings: 0.5, ViolationRate: 0.02, SeverityP99: 0.1}},
		{Estimator: "e", Score: Score{Savings: 0.7, ViolationRate: 0.01}},
	}}
	got := r.Totals()
	if len(got) != 1 {
		t.Fatalf("%d totals, want 1", len(got))
	}
	g := got[0]
	near := func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 }
	if g.Cells != 2 || !near(g.Savings, 0.6) || !near(g.ViolationRate, 0.015) || g.WorstViolationRate != 0.02 ||
		g.CellsAboveTarget != 1 || g.SeverityP99 != 0.1 {
		t.Errorf("%+v", g)
	}
}

func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	r := smallReport(t)
	for i := range r.Cells {
		r.Cells[i].Estimator = strings.ReplaceAll(r.Cells[i].Estimator, "tce", "<script>alert(1)</script>")
	}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, outside := range []string{"http:", "https:", "src=", "href=", "<script>", "url("} {
		if strings.Contains(text, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
	if got := strings.Count(text, "<svg"); got != 1+4 {
		t.Errorf("%d plots, want the frontier and four timelines", got)
	}
	if got := strings.Count(text, `class="family"`); got != 0 {
		t.Errorf("%d lines through single settings", got)
	}
	if strings.Contains(text, "NaN") {
		t.Error("a plot has NaN")
	}
}

func TestFrontierConnectsTheSettingsOfAPredictor(t *testing.T) {
	t.Parallel()
	got := families([]Total{
		{Estimator: "tce:target=0.01", WorstViolationRate: 0.01}, {Estimator: "latest"}, {Estimator: "tce:target=0.002", WorstViolationRate: 0.002},
	})
	if len(got) != 1 || len(got[0]) != 2 || got[0][0].Estimator != "tce:target=0.002" {
		t.Errorf("families: %v, want the two settings of tce, the stricter first", got)
	}
}

func TestParseEstimator(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"tce": true, "tce:target=0.005:early=0.002": true, "node-max:window=24h:margin=0.1": true, "fixed-share:share=0.5": true,
		"vpa:percentile=0.99": true, "tce:horizon=1h": true,
		"": false, "nope": false, "tce:target": false, "tce:target=x": false, "tce:tartget=1": false, "tce:target=0.0001": false,
		"node-max:window=1": false, "latest:margin=-1": false, "tce:horizon=48h": false,
	} {
		e, err := ParseEstimator(text)
		if ok && (err != nil || e.Label != text) || !ok && !errors.Is(err, ErrOptions) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	trace := write(t, "cmd.csv.gz", synthetic{seed: 4, nodes: 1, steady: 4, steps: 100, interval: 300}.lines()...)
	page := filepath.Join(t.TempDir(), "report.html")
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := Command()
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceUsage = true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	text, err := run("--trace", trace, "--estimator", "tce,latest:margin=0.5", "--resource", "cpus", "--horizon", "10m", "--html", page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cmd: 1 nodes, 4 containers", "latest:margin=0.5", "10m", "worst cell"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if info, err := os.Stat(page); err != nil || info.Size() < 1000 {
		t.Errorf("the page: %v, %v", info, err)
	}
	if text, err = run("--trace", trace, "--estimator", "latest", "--json"); err != nil || !json.Valid([]byte(text)) {
		t.Errorf("--json: %v, %s", err, text)
	}
	if text, err = run("--trace", trace, "--estimator", "latest", "--markdown"); err != nil || !strings.HasPrefix(text, "| estimator |") {
		t.Errorf("--markdown: %v, %s", err, text)
	}
	if text, err = run("--trace", trace, "--estimator", "latest", "--cost"); err != nil || !strings.Contains(text, "ns per container-sample") {
		t.Errorf("--cost: %v, %s", err, text)
	}
	for name, args := range map[string][]string{
		"no trace":          {"--json"},
		"no such trace":     {"--trace", "nowhere.csv"},
		"unknown estimator": {"--trace", trace, "--estimator", "oracle"},
		"unknown resource":  {"--trace", trace, "--resource", "disk"},
		"json and markdown": {"--trace", trace, "--json", "--markdown"},
		"target of zero":    {"--trace", trace, "--target-violation", "0.0001"},
		"page nowhere":      {"--trace", trace, "--html", filepath.Join(t.TempDir(), "no", "where.html")},
	} {
		if _, err := run(args...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUpdateReplacesOneSection(t *testing.T) {
	t.Parallel()
	doc := "before\n<!-- generated: a -->\nold\n<!-- end: a -->\n<!-- generated: b -->\nkept\n<!-- end: b -->\n"
	got, err := replaceSection([]byte(doc), "a", []byte("new\n"))
	if want := strings.Replace(doc, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("%v:\n%s\nwant\n%s", err, got, want)
	}
	for _, missing := range []string{"c", ""} {
		if _, err := replaceSection([]byte(doc), missing, nil); !errors.Is(err, ErrMarker) {
			t.Errorf("section %q: %v, want %v", missing, err, ErrMarker)
		}
	}
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := updateFile(path, "b", smallReport(t)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "| `tce` |") || strings.Contains(string(text), "kept") || !strings.Contains(string(text), "old") {
		t.Errorf("%v:\n%s", err, text)
	}
}
