package policy_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/estimatord/estimatord/qos/policy" //nolint:revive // the package under test, whose table is in one that imports it
	"github.com/estimatord/estimatord/qos/signal"
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
		{"unknown kind", rule(func(r *Rule) { r.Signal = "cpus" }), []string{`rules[0].signal: "cpus" is not a signal (known: ` + strings.Join(signal.Specs().Names(), ", ") + `)`}},
		{"unknown action", rule(func(r *Rule) { r.Action = None }), []string{`rules[0].action: "none" is not an action (known: stop_offering, throttle, freeze, kill)`}},
		{"a percentage", rule(func(r *Rule) { r.Above = 95 }), []string{"rules[0].above: 95 is not above 0 and below 1 (0.95 is 95 %)"}},
		{"above everything", rule(func(r *Rule) { r.Above = 1 }), []string{"rules[0].above: 1 is not above 0 and below 1 (0.95 is 95 %)"}},
		{"above nothing", rule(func(r *Rule) { r.Above = 0 }), []string{"rules[0].above: is missing: signal node_cpu has no default"}},
		{"not a number", rule(func(r *Rule) { r.Above = math.NaN() }), []string{"rules[0].above: NaN is not above 0 and below 1 (0.95 is 95 %)"}},
		{"clear above above", rule(func(r *Rule) { r.Clear = 0.96 }), []string{"rules[0].clear: 0.96 is not between 0 and above, which is 0.95"}},
		{"clear is no number", rule(func(r *Rule) { r.Clear = math.NaN() }), []string{"rules[0].clear: NaN is not between 0 and above, which is 0.95"}},
		{"per CPU of a share", rule(func(r *Rule) { r.PerCPU = true }), []string{"rules[0].per_cpu: is no setting of signal node_cpu"}},
		{"while what", rule(func(r *Rule) { r.While = While{Signal: "psi", Above: 1} }), []string{`rules[0].while.signal: "psi" is not a signal (known: ` + strings.Join(signal.Specs().Names(), ", ") + `)`}},
		{"while above nothing", rule(func(r *Rule) { r.While = While{Signal: signal.Load1} }), []string{"rules[0].while.above: is missing: signal load1 has no default"}},
		{"while a load", rule(func(r *Rule) { r.While = While{Signal: signal.Load1, Above: 2} }), nil},
		{"freeze without its time", rule(func(r *Rule) { r.Action = Freeze }), []string{"rules[0].action: freeze needs ladder.freeze_for above 0s"}},
		{"freeze", func(p *Policy) { p.Rules[0].Action, p.Ladder.FreezeFor = Freeze, time.Minute }, nil},
		{"ladder", func(p *Policy) {
			p.Ladder = Ladder{Dwell: -1, FloorCores: math.NaN(), Loosen: 11, FreezeFor: time.Hour, KillsAtOnce: 0, IgnoredAfter: 0}
		}, []string{
			"ladder.dwell: -1ns is not between 0s and 24h",
			"ladder.floor: NaN is not between 0.01 and 1024 cores",
			"ladder.loosen: 11 is not a share between 0.01 and 10",
			"ladder.freeze_for: 1h0m0s is not between 0s and 10m0s",
			"ladder.kills_at_once: 0 is not between 1 and 1000",
			"ladder.ignored_after: 0s is not between 1s and 24h",
		}},
		{"budget", func(p *Policy) { p.Budget = Budget{Kills: -1, Per: time.Second} }, []string{
			"budget.kills: -1 is not between 1 and 1000", "budget.per: 1s is not between 1m and 24h",
		}},
		{"below zero", rule(func(r *Rule) { r.For, r.Settle = -1, -time.Second }), []string{
			"rules[0].for: -1ns is not between 0s and 24h", "rules[0].settle: -1s is not between 0s and 24h",
		}},
		{"for days", rule(func(r *Rule) { r.For = 25 * time.Hour }), []string{"rules[0].for: 25h0m0s is not between 0s and 24h"}},
		{"load without a threshold", func(p *Policy) { p.Rules = policyOf(signal.Load5, 6).Rules; p.Rules[0].Above, p.Rules[0].Clear = 0, 0 }, []string{
			"rules[0].above: is missing: signal load5 has no default",
		}},
		{"a load that is none", func(p *Policy) { p.Rules = policyOf(signal.Load5, 6).Rules; p.Rules[0].Above = math.Inf(1) }, []string{
			"rules[0].above: +Inf is not above 0 and at most 4.194304e+06",
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
			`victims.protect.labels[0]: "=x" can never match: it has no key (key or key=value)`,
			"victims.priorities[0]: needs exactly one of framework, role and label",
			"victims.priorities[1]: needs exactly one of framework, role and label",
			`victims.priorities[2].label: "=" can never match: it has no key (key or key=value)`,
		}},
		{"no limits of age", func(p *Policy) { p.Fresh = Fresh{} }, []string{"fresh.usage: 0s is not above zero", "fresh.sample: 0s is not above zero"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := cpuPolicy()
			tc.change(p)
			err := p.Validate(signal.Specs())
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

// cpuPolicy is the rule cpu: above 95 % for 5 s.
func cpuPolicy() *Policy { return policyOf(signal.NodeCPU, 0.95) }

func policyOf(name Signal, above float64) *Policy {
	p := DefaultPolicy()
	r := signal.Of(name).Rule()
	r.Name, r.Above, r.Clear = "cpu", above, above
	p.Rules = []Rule{r}
	return &p
}
