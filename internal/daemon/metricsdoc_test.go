package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/config"
)

// everything is a daemon with each part that has metrics of its own.
func everything(t *testing.T) *parts {
	t.Helper()
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte("rules:\n  - {name: one, signal: load5, above: 6}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Socket = filepath.Join(dir, "agent.sock")
	cfg.Policy, cfg.StateFile = policy, filepath.Join(dir, "state")
	cfg.Decisions.Dir = filepath.Join(dir, "decisions")
	cfg.Recording.Dir = filepath.Join(dir, "recording")
	cfg.AgentURL = "http://127.0.0.1:5051" // nobody asks it before the daemon runs
	log := slog.New(slog.DiscardHandler)
	a, err := (&Daemon{cfg: cfg, log: log}).assemble(&actuator{log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// description is how a prometheus.Desc prints itself, which is the only way to
// read one.
var description = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), (?:unit: "[^"]*", )?constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

var constLabel = regexp.MustCompile(`(\w+)="`)

// TestDocumentedMetrics keeps docs/reference/metrics.md what the daemon says of its own
// metrics; UPDATE_DOCS=1 writes it.
func TestDocumentedMetrics(t *testing.T) {
	a := everything(t)
	all := make(chan *prometheus.Desc)
	go func() {
		a.registry.Describe(all)
		close(all)
	}()
	var rows []string
	for d := range all {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("not understood: %s", d)
		}
		name, err := strconv.Unquote(m[1])
		if err != nil {
			t.Fatal(err)
		}
		help, err := strconv.Unquote(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "estimatord_") { // Go's and the process's
			continue
		}
		if !strings.HasSuffix(help, ".") {
			t.Errorf("%s: its help is no sentence: %q", name, help)
		}
		var labels []string
		for _, l := range constLabel.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, "`"+l[1]+"`")
		}
		for l := range strings.SplitSeq(m[4], ",") {
			if l != "" {
				labels = append(labels, "`"+l+"`")
			}
		}
		rows = append(rows, "| `"+name+"` | "+strings.Join(labels, ", ")+" | "+strings.ReplaceAll(help, "|", `\|`)+" |\n")
	}
	if len(rows) < 50 {
		t.Fatalf("only %d metrics are described", len(rows))
	}
	slices.Sort(rows)
	const path = "../../docs/reference/metrics.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics -->\n", "<!-- end of metrics -->\n"
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", path, begin, end)
	}
	want := head + begin + "| metric | labels | |\n|---|---|---|\n" + strings.Join(slices.Compact(rows), "") + end + tail
	if string(doc) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the daemon says of its metrics; run UPDATE_DOCS=1 go test ./internal/daemon\n%s", path, cmp.Diff(string(doc), want))
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// metricName is what a metric of ours is called in a text.
var metricName = regexp.MustCompile(`\bestimatord_[a-z0-9_]*[a-z0-9]\b`)

// What the other pages call a metric is one, of /metrics or of
// /metrics/containers.
func TestMetricsNamedInTheDocumentation(t *testing.T) {
	known, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	ofContainers, err := os.ReadFile("../../docs/reference/container-metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	first, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range slices.Concat(pages, first, []string{"../../README.md"}) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			named++
			whole := "`" + name + "`"
			if strings.HasPrefix(name, "estimatord_container_") {
				if !strings.Contains(string(ofContainers), "| "+whole) {
					t.Errorf("%s names %s, which docs/reference/container-metrics.md lacks", page, name)
				}
				continue
			}
			if !strings.Contains(string(known), whole) && !strings.Contains(string(known), "`"+name+"_") {
				t.Errorf("%s names %s, which is no metric, nor the begin of one", page, name)
			}
		}
	}
	if named == 0 {
		t.Error("no page names a metric")
	}
}
