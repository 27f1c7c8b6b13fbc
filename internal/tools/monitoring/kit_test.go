package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/model/rulefmt"
)

const (
	root      = "../../.."
	kit       = root + "/deploy/monitoring"
	rulesFile = kit + "/rules.yaml"
	unitTests = "testdata/alerts_test.yaml"
	runbooks  = root + "/docs/runbooks"
)

// rules are those of the kit.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d rules", len(all))
	}
	return all
}

// The committed dashboards are what the program writes, and what Grafana's schema
// takes: no unknown field, nothing that is required left out.
func TestDashboardsAreGeneratedAndValid(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	files, err := render()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob(kit + "/dashboards/*.json")
	if err != nil || len(committed) != len(files) {
		t.Fatalf("%v: %d are generated, %v", committed, len(files), err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(kit, "dashboards", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what is generated: make dashboards", name)
		}
		if err := new(dashboard.Dashboard).UnmarshalJSONStrict(got); err.Error() != "" { // never nil: a nil list of errors
			t.Errorf("%s: %v", name, err)
		}
		var d dashboard.Dashboard
		if err := json.Unmarshal(got, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(panels(&d)) < 10 {
			t.Errorf("%s has only %d panels", name, len(panels(&d)))
		}
		ids := map[uint32]string{}
		for _, p := range panels(&d) {
			if p.Title == nil || p.Description == nil || *p.Description == "" {
				t.Errorf("%s: a panel without a title or description: %+v", name, p.Title)
			} else if !strings.HasSuffix(*p.Description, ".") {
				t.Errorf("%s: %s: %q is no sentence", name, *p.Title, *p.Description)
			}
			if ids[*p.Id] != "" {
				t.Errorf("%s: %s and %s have one id", name, ids[*p.Id], *p.Title)
			}
			ids[*p.Id] = *p.Title
		}
	}
}

// panels are those of a dashboard, in rows or not.
func panels(d *dashboard.Dashboard) (all []dashboard.Panel) {
	for _, p := range d.Panels {
		if p.Panel != nil {
			all = append(all, *p.Panel)
		}
		if p.RowPanel != nil {
			all = append(all, p.RowPanel.Panels...)
		}
	}
	return all
}

// Each alert has the page that it points at, which says the three things that its
// reader wants to know, and there is no other page.
func TestEachAlertHasItsRunbook(t *testing.T) {
	pages, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(unitTests)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if want := "https://github.com/estimatord/estimatord/blob/main/docs/runbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] == "" {
			t.Errorf("%s lacks a summary, a description or a severity", r.Alert)
		}
		at := slices.IndexFunc(pages, func(p string) bool { return filepath.Base(p) == r.Alert+".md" })
		if at < 0 {
			t.Errorf("%s has no page in docs/runbooks", r.Alert)
			continue
		}
		text, err := os.ReadFile(pages[at])
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"# " + r.Alert + "\n", "\n## What it means\n", "\n## What to look at\n", "\n## What to do\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", pages[at], part)
			}
		}
		pages = slices.Delete(pages, at, at+1)
		quiet := regexp.MustCompile(`alertname: ` + r.Alert + `, exp_alerts: \[\]`)
		fires := regexp.MustCompile(`alertname: ` + r.Alert + `\n +exp_alerts:\n +- exp_labels`)
		if !quiet.Match(unit) || !fires.Match(unit) {
			t.Errorf("%s does not have both in %s: that it fires, and that it does not", r.Alert, unitTests)
		}
	}
	if len(pages) > 0 {
		t.Errorf("no alert points at %v", pages)
	}
}

func TestRulesByPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("needs promtool, of Debian's package prometheus: %v", err)
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", rulesFile},
		{"check", "config", kit + "/prometheus.yaml"},
		{"test", "rules", unitTests},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
