package qos

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	rule := func(change func(r *Rule)) func(p *Policy) { return func(p *Policy) { change(&p.Rules[0]) } }
	for _, tc := range []struct {
		name   string
		change func(p *Policy)
		want   []string
	}{
		{"as it is", func(*Policy) {}, nil},
		{"no rules", func(p *Policy) { p.Rules = nil }, nil},
		{"no name", rule(func(r *Rule) { r.Name = "" }), []string{`rules[0].name: "" is not a name: 1 to 63 letters, digits, - and _`}},
		{"a name with a space", rule(func(r *Rule) { r.Name = "a b" }), []string{`rules[0].name: "a b" is not a name: 1 to 63 letters, digits, - and _`}},
		{"one name twice", func(p *Policy) { p.Rules = append(p.Rules, p.Rules[0]) }, []string{`rules[1].name: "cpu" is also the name of rules[0]`}},
		{"unknown kind", rule(func(r *Rule) { r.Kind = "cpus" }), []string{`rules[0].kind: "cpus" is not a kind (known: cpu, load)`}},
		{"unknown action", rule(func(r *Rule) { r.Action = "freeze" }), []string{`rules[0].action: "freeze" is not an action (known: kill)`}},
		{"a percentage", rule(func(r *Rule) { r.Above = 95 }), []string{"rules[0].above: 95 is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %)"}},
		{"above everything", rule(func(r *Rule) { r.Above = 1 }), []string{"rules[0].above: 1 is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %)"}},
		{"above nothing", rule(func(r *Rule) { r.Above = 0 }), []string{"rules[0].above: 0 is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %)"}},
		{"not a number", rule(func(r *Rule) { r.Above = math.NaN() }), []string{"rules[0].above: NaN is not a share of the node's CPUs above 0 and below 1 (0.95 is 95 %)"}},
		{"load settings in cpu", rule(func(r *Rule) { r.Load5 = 1 }), []string{"rules[0].kind: load1, load5, load15 and per_cpu are settings of kind load"}},
		{"below zero", rule(func(r *Rule) { r.For, r.Settle = -1, -time.Second }), []string{
			"rules[0].for: -1ns is not between 0s and 24h", "rules[0].settle: -1s is not between 0s and 24h",
		}},
		{"for days", rule(func(r *Rule) { r.For = 25 * time.Hour }), []string{"rules[0].for: 25h0m0s is not between 0s and 24h"}},
		{"load without a threshold", func(p *Policy) { p.Rules = loadPolicy().Rules; p.Rules[0].Load5, p.Rules[0].Load15 = 0, 0 }, []string{
			"rules[0].load5: kind load needs load5, load15 or both",
		}},
		{"loads that are none", func(p *Policy) {
			p.Rules = loadPolicy().Rules
			p.Rules[0].Load1, p.Rules[0].Load5, p.Rules[0].Load15, p.Rules[0].Above = -1, math.Inf(1), math.NaN(), 0.5
		}, []string{
			"rules[0].above: is a setting of kind cpu; kind load has load5 and load15",
			"rules[0].load1: -1 is not a load above 0", "rules[0].load5: +Inf is not a load above 0", "rules[0].load15: NaN is not a load above 0",
		}},
		{"victims", func(p *Policy) {
			p.Victims = Victims{MinAge: -time.Second, MinUsage: math.NaN(), Protect: Protect{
				Frameworks: []string{""}, Roles: []string{"a", ""}, Labels: []string{"=x"},
			}, Priorities: []Priority{{}, {Role: "a", Label: "b"}, {Label: "="}, {Framework: "f"}}}
		}, []string{
			"victims.min_age: -1s is not between 0s and 24h",
			"victims.min_usage: NaN is not a number of cores of at least 0",
			"victims.protect.frameworks[0]: is empty",
			"victims.protect.roles[1]: is empty",
			`victims.protect.labels[0]: "=x" is not key or key=value`,
			"victims.priorities[0]: needs exactly one of framework, role and label",
			"victims.priorities[1]: needs exactly one of framework, role and label",
			`victims.priorities[2].label: "=" is not key or key=value`,
		}},
		{"no limits of age", func(p *Policy) { p.Fresh = Fresh{} }, []string{"fresh.usage: 0s is not above zero", "fresh.sample: 0s is not above zero"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := cpuPolicy()
			tc.change(p)
			err := p.Validate()
			if (err != nil) != (tc.want != nil) || err != nil && !errors.Is(err, ErrPolicy) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, tc.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
				}
			}
		})
	}
}

func TestDefaultsOfKinds(t *testing.T) {
	if got := Kinds(); !slices.Equal(got, []Kind{CPU, Load}) {
		t.Fatalf("kinds %v", got)
	}
	for _, k := range Kinds() {
		r, ok := k.Defaults()
		if !ok || r.Kind != k || r.Action != Kill || k.Brief() == "" || len(k.Arguments()) == 0 {
			t.Errorf("%s: %+v", k, r)
		}
	}
	if r, ok := Kind("psi").Defaults(); ok || r != (Rule{}) || Kind("psi").Brief() != "" || Kind("psi").Arguments() != nil {
		t.Errorf("an unknown kind has defaults: %+v", r)
	}
}
