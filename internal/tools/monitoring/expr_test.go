package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	grafana "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// expression is one PromQL expression of the kit.
type expression struct {
	where, text string
	// legend is shown with its result: a template over labels.
	legend string
}

// variables are what Grafana puts in place of its own, for a job and an instance.
func variables(instance string) *strings.Replacer {
	return strings.NewReplacer("$job", "estimatord", "$instance", instance, "$__rate_interval", "1m", "$__interval", "1m")
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// expressions are all of the dashboards and rules, as Prometheus gets them.
func expressions(t *testing.T, instance string) (all []expression) {
	t.Helper()
	grafanaHas := variables(instance)
	add := func(where, text, legend string) {
		all = append(all, expression{where: where, text: grafanaHas.Replace(text), legend: legend})
	}
	for _, r := range rules(t) {
		add(r.Alert+r.Record, r.Expr, r.Annotations["summary"])
	}
	for name, build := range map[string]func() *dashboard.DashboardBuilder{"node": node, "fleet": fleet} {
		d, err := build().Build()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range panels(&d) {
			for _, target := range p.Targets {
				q := target.(grafana.Dataquery)
				legend := ""
				if q.LegendFormat != nil {
					legend = *q.LegendFormat
				}
				add(name+": "+*p.Title, q.Expr, legend)
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != nil {
				add(name+": annotation "+a.Name, *a.Expr, *a.TextFormat)
			}
		}
		for _, v := range d.Templating.List {
			if v.Query == nil || v.Query.String == nil || v.Type == dashboard.VariableTypeDatasource {
				continue
			}
			m := labelValues.FindStringSubmatch(*v.Query.String)
			if m == nil {
				t.Fatalf("%s: variable %s: not understood: %s", name, v.Name, *v.Query.String)
			}
			add(name+": variable "+v.Name, m[1], "{{"+m[2]+"}}")
		}
	}
	if len(all) < 80 {
		t.Errorf("found only %d expressions", len(all))
	}
	return all
}

// metrics are the labels of each metric.
type metrics map[string][]string

// Each expression parses, and each metric and label in it is one of the daemon's, as
// docs/reference has them, or recorded by a rule. Another test holds those pages to
// the daemon; TestKitOnALiveDaemon compares with a scrape.
func TestExpressionsAskForWhatThereIs(t *testing.T) {
	known := documented(t)
	for _, e := range expressions(t, "127.0.0.1:9742") {
		check(t, e, known)
	}
}

// documented are the metrics of docs/reference, and those of every process that the
// kit uses.
func documented(t *testing.T) metrics {
	t.Helper()
	known := metrics{"up": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil}
	text, err := os.ReadFile(filepath.Join(root, "docs/reference/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		known[m[1]] = regexp.MustCompile(`\w+`).FindAllString(m[2], -1)
	}
	known["estimatord_tick_duration_seconds_bucket"] = []string{"le"}
	text, err = os.ReadFile(filepath.Join(root, "docs/reference/container-metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (?:gauge|counter) \\|").FindAllStringSubmatch(string(text), -1) {
		known[m[1]] = []string{"class", "container", "parent"}
	}
	if len(known) < 80 {
		t.Fatalf("found only %d metrics", len(known))
	}
	for _, r := range rules(t) {
		if r.Record != "" {
			known[r.Record] = nil
			for _, s := range selectors(t, expression{where: r.Record, text: r.Expr}) {
				known[r.Record] = append(known[r.Record], known[s.Name]...)
			}
		}
	}
	return known
}

// selectors are those of an expression.
func selectors(t *testing.T, e expression) (all []*parser.VectorSelector) {
	t.Helper()
	parsed, err := parser.ParseExpr(e.text)
	if err != nil {
		t.Errorf("%s: %s: %v", e.where, e.text, err)
		return nil
	}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	return all
}

var template = regexp.MustCompile(`\{\{ *(?:\$labels\.)?(\w+) *\}\}`)

// check holds one expression to what is known.
func check(t *testing.T, e expression, known metrics) {
	t.Helper()
	has := []string{"job", "instance", "le"}
	for _, s := range selectors(t, e) {
		ofMetric, there := known[s.Name]
		if !there {
			t.Errorf("%s: there is no metric %s", e.where, s.Name)
		}
		for _, m := range s.LabelMatchers {
			if m.Name != labels.MetricName && m.Name != "job" && m.Name != "instance" && !slices.Contains(ofMetric, m.Name) {
				t.Errorf("%s: %s has no label %s, only %q", e.where, s.Name, m.Name, ofMetric)
			}
		}
		has = append(has, ofMetric...)
	}
	named := template.FindAllStringSubmatch(e.legend, -1)
	parsed, err := parser.ParseExpr(e.text)
	if err != nil {
		return // selectors has said so
	}
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		var by []string
		switch n := n.(type) {
		case *parser.AggregateExpr:
			by = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				by = n.VectorMatching.MatchingLabels
			}
		}
		for _, l := range by {
			named = append(named, []string{"", l})
		}
		return nil
	})
	for _, l := range named {
		if !slices.Contains(has, l[1]) {
			t.Errorf("%s: %s: nothing in it has a label %s", e.where, e.text, l[1])
		}
	}
}
