package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/resources"
)

const (
	exampleConfig = "../configs/estimatord.yaml"
	examplePolicy = "../configs/policy.yaml"
)

// The example says every setting, each with its default.
func TestExampleIsTheDefault(t *testing.T) {
	got, from, err := Load(flagSet(t, "--config="+exampleConfig), nil, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.File = exampleConfig
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-default +example):\n%s", diff)
	}
	for _, s := range Settings() {
		if s.InFile() && from[s.Key].From != FromFile {
			t.Errorf("%s is not in the example", s.Key)
		}
	}
}

func TestDefaultsAgreeWithTheEstimator(t *testing.T) {
	c, e := Default(), estimator.DefaultUsage()
	if c.Estimator.WarmUp != e.WarmUp || c.Estimator.UnmanagedWindow != e.UnmanagedWindow ||
		c.UsageStaleAfter != e.ReportStaleAfter || c.SampleStaleAfter != e.SampleStaleAfter {
		t.Errorf("config %+v, estimator %+v", c, e)
	}
	if f := qos.DefaultFresh(); f.Usage != c.UsageStaleAfter || f.Sample != c.SampleStaleAfter {
		t.Errorf("config %s and %s, qos %+v", c.UsageStaleAfter, c.SampleStaleAfter, f)
	}
	for _, name := range []string{resources.CPUs, resources.Mem} {
		r := estimator.DefaultResource(name)
		g := estimator.GovernorConfig{
			Quantum: c.Governor.Quantum.Get(name), Step: c.Governor.Step.Get(name), DeadBand: c.Governor.DeadBand.Get(name),
			RaiseEvery: c.Governor.RaiseEvery, Hold: c.Governor.Hold,
		}
		if diff := cmp.Diff(r.Governor, g); diff != "" {
			t.Errorf("%s (-estimator +config):\n%s", name, diff)
		}
		if r.Predictor != c.Estimator.Predictor || r.Margin != c.Estimator.Margin {
			t.Errorf("%s: config %+v, estimator %+v", name, c.Estimator, r)
		}
	}
}

func TestExamplePolicy(t *testing.T) {
	got, err := LoadPolicy(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	cpu := qos.Rule{Name: "cpu", Kind: qos.CPU, Above: 0.95, For: 5 * time.Second, Settle: 5 * time.Second, Action: qos.Kill}
	want := &qos.Policy{Rules: []qos.Rule{cpu}, Victims: qos.Victims{MinUsage: 0.05}, Fresh: qos.DefaultFresh()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Every value of it is the default: the same rule without them.
	short, err := ParsePolicy("short", []byte("rules: [{name: cpu, kind: cpu}]"))
	if diff := cmp.Diff(want, short); err != nil || diff != "" {
		t.Errorf("%v (-want +defaults):\n%s", err, diff)
	}

	// What is commented out is right as well.
	text, err := os.ReadFile(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	uncommented := strings.NewReplacer("  # - name", "  - name", "  #   ", "    ", "  # - {", "    - {", "priorities: []", "priorities:").Replace(string(text))
	got, err = ParsePolicy("uncommented", []byte(uncommented))
	if err != nil {
		t.Fatalf("%v\n%s", err, uncommented)
	}
	want.Rules = append(want.Rules, qos.Rule{Name: "load", Kind: qos.Load, Load1: 6, Load5: 6, Load15: 4, Settle: time.Minute, Action: qos.Kill})
	want.Victims.Priorities = []qos.Priority{{Label: "tier=spare", Priority: -10}, {Role: "batch/paid", Priority: 10}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uncommented (-want +got):\n%s", diff)
	}
}

func TestWholePolicy(t *testing.T) {
	got, err := ParsePolicy("p", []byte(`
rules:
  - {name: l, kind: load, load15: 1.5, per_cpu: true, for: 1m30s, settle: 0s, action: kill}
victims:
  min_age: 2m
  min_usage: 0
  protect: {frameworks: [f], roles: [r, s/t], labels: [k, "k=v=w"]}
  priorities: [{framework: g, priority: -1}, {label: "no", priority: +2}]
`))
	want := &qos.Policy{
		Rules: []qos.Rule{{Name: "l", Kind: qos.Load, Load15: 1.5, PerCPU: true, For: 90 * time.Second, Action: qos.Kill}},
		Victims: qos.Victims{
			MinAge:     2 * time.Minute,
			Protect:    qos.Protect{Frameworks: []string{"f"}, Roles: []string{"r", "s/t"}, Labels: []string{"k", "k=v=w"}},
			Priorities: []qos.Priority{{Framework: "g", Priority: -1}, {Label: "no", Priority: 2}},
		},
		Fresh: qos.DefaultFresh(),
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// The table of settings in the documentation is that of the code.
func TestDocumentedSettings(t *testing.T) {
	const path = "../docs/configuration.md"
	def := Default()
	var b strings.Builder
	b.WriteString("| key in the file | flag | environment variable | value | default | meaning |\n|---|---|---|---|---|---|\n")
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
	}
	for _, s := range Settings() {
		key, flag := s.Key, s.Flag
		if !s.InFile() {
			key = ""
		}
		if flag != "" {
			flag = "--" + flag
		}
		b.WriteString("| " + strings.Join([]string{
			code(key), code(flag), code(s.Env), strings.ReplaceAll(s.Form(), "|", `\|`), code(s.Value(&def)), s.Help,
		}, " | ") + " |\n")
	}
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings -->\n", "<!-- end of settings -->\n"
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", path, begin, end)
	}
	want := head + begin + b.String() + end + tail
	if string(doc) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the table of settings says; run UPDATE_DOCS=1 go test ./config\n%s", path, cmp.Diff(string(doc), want))
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every kind of rule has its section, with its sentence and its arguments.
func TestDocumentedKinds(t *testing.T) {
	doc, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range qos.Kinds() {
		_, section, ok := strings.Cut(string(doc), "\n### kind: "+string(k)+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		section, _, _ = strings.Cut(section, "\n### ")
		if !ok || !strings.Contains(section, "*Description*: "+k.Brief()+"\n") {
			t.Errorf("kind %s has no section with the sentence %q", k, k.Brief())
		}
		for _, a := range k.Arguments() {
			if !strings.Contains(section, "`"+a+"`") {
				t.Errorf("kind %s: %s is not documented", k, a)
			}
		}
	}
}
