package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
)

const exampleConfig = "../../configs/estimatord.yaml"

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
	for _, s := range Settings(&got) {
		if s.InFile && !strings.HasPrefix(from[s.Key], exampleConfig) {
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
	if f := policy.DefaultFresh(); f.Usage != c.UsageStaleAfter || f.Sample != c.SampleStaleAfter {
		t.Errorf("config %s and %s, qos %+v", c.UsageStaleAfter, c.SampleStaleAfter, f)
	}
	for _, name := range []string{resources.CPUs, resources.Mem} {
		r := estimator.DefaultResource(name)
		g := r.Governor // what is no setting is the estimator's own
		g.Quantum, g.Step, g.DeadBand = c.Governor.Quantum.Get(name), c.Governor.Step.Get(name), c.Governor.DeadBand.Get(name)
		g.RaiseEvery, g.Hold, g.HoldOff = c.Governor.RaiseEvery, c.Governor.Hold, c.Governor.HoldAfterKill
		if diff := cmp.Diff(r.Governor, g); diff != "" {
			t.Errorf("%s (-estimator +config):\n%s", name, diff)
		}
		if r.Predictor != c.Estimator.Predictor || r.Margin != c.Estimator.Margin {
			t.Errorf("%s: config %+v, estimator %+v", name, c.Estimator, r)
		}
	}
}

// The table of settings in the documentation is that of the code.
func TestDocumentedSettings(t *testing.T) {
	const path = "../../docs/reference/settings.md"
	def := Default()
	var b strings.Builder
	b.WriteString("| key in the file | flag | environment variable | value | default | meaning |\n|---|---|---|---|---|---|\n")
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
	}
	for _, s := range Settings(&def) {
		key, flag := s.Key, s.Flag
		if !s.InFile {
			key = ""
		}
		if flag != "" {
			flag = "--" + flag
		}
		b.WriteString("| " + strings.Join([]string{
			code(key), code(flag), code(s.Env), strings.ReplaceAll(s.Form, "|", `\|`), code(s.Value), s.Help,
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
		t.Fatalf("%s is not what the table of settings says; run UPDATE_DOCS=1 go test ./internal/config\n%s", path, cmp.Diff(string(doc), want))
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
