package config

import (
	"strings"
	"testing"
)

// What is legal and most likely not meant is told at its place, and is no fault.
func TestLint(t *testing.T) {
	rule := func(settings string) string { return "rules:\n  - {name: a, signal: node_cpu, " + settings + "}\n" }
	load := func(settings string) string {
		return "rules:\n  - {name: a, signal: load5, above: 6, action: kill, " + settings + "}\n"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"shadow policy":              {"shadow: true\n" + rule("for: 1s"), "p:1:9: shadow: the whole policy is in shadow mode: nothing will be done"},
		"shadow rules":               {rule("shadow: true"), "p:2:3: rules: every rule is in shadow mode: nothing will be done"},
		"kill at the first reading":  {rule("for: 0s, action: kill, immediate: true"), "p:2:38: rules[0].for: 0s with immediate kills at the first reading above, without another one to confirm it"},
		"immediate without a rung":   {rule("action: stop_offering, immediate: true"), "p:2:67: rules[0].immediate: has no effect: there is no rung below stop_offering"},
		"settle without a victim":    {rule("action: throttle, settle: 1s"), "p:2:59: rules[0].settle: has no effect: action throttle goes no further than a throttle"},
		"no gap":                     {rule("above: 0.9, clear: 0.9"), "p:2:52: rules[0].clear: is the threshold itself: the rule will come and go with each reading"},
		"while of itself":            {rule("above: 0.9, while: {signal: node_cpu, above: 0.8}"), "p:2:52: rules[0].while: has no effect: node_cpu above 0.9 is above 0.8 as well"},
		"load without end":           {load("settle: 5s"), "p:2:62: rules[0].settle: 5s is short for load5, which still shows most of a victim's load after a minute: more will be killed than must be (see while)"},
		"load with an end":           {load("settle: 5s, while: {signal: load1, above: 6}"), ""},
		"load with patience":         {load("settle: 1m"), ""},
		"freezing for nobody":        {rule("action: throttle") + "ladder: {freeze_for: 1s}\n", "p:3:22: ladder.freeze_for: has no effect: no rule goes as far as freeze"},
		"no dwell":                   {rule("for: 1s") + "ladder: {dwell: 0s}\n", "p:3:17: ladder.dwell: 0s loosens throttles at each tick: they will go up and down"},
		"more at once than ever":     {rule("for: 1s") + "ladder: {kills_at_once: 3}\nbudget: {kills: 2}\n", "p:3:25: ladder.kills_at_once: 3 is more than the 2 kills of the budget"},
		"a hook for nothing":         {rule("action: throttle") + "hook: {socket: /a}\n", "p:3:7: hook: has no effect: no rule kills"},
		"a role behind its parent":   {rule("for: 1s") + "victims: {priorities: [{role: a, priority: 1}, {role: a/b, priority: 2}]}\n", "p:3:48: victims.priorities[1]: has no effect: priorities[0] matches the same containers before"},
		"a label behind its key":     {rule("for: 1s") + "victims: {priorities: [{label: k, priority: 1}, {label: k=v, priority: 2}]}\n", "p:3:49: victims.priorities[1]: has no effect: priorities[0] matches the same containers before"},
		"a framework twice":          {rule("for: 1s") + "victims: {priorities: [{framework: f, priority: 1}, {framework: f, priority: 2}]}\n", "p:3:53: victims.priorities[1]: has no effect: priorities[0] matches the same containers before"},
		"the narrower first":         {rule("for: 1s") + "victims: {priorities: [{role: a/b, priority: 1}, {role: a, priority: 2}, {role: ab, priority: 3}, {label: a, priority: 4}]}\n", ""},
		"nothing odd":                {rule("for: 1s"), ""},
		"a while of another reading": {rule("while: {signal: load1, above: 2}"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range parsePolicy(t, tc.text).Warnings {
				got = append(got, w.Error())
			}
			if strings.Join(got, "\n") != tc.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), tc.want)
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]Kind{
		"rules: []": KindPolicy, "shadow: true": KindPolicy, "mode: noop": KindDaemon, "governor:\n  hold: 1s": KindDaemon,
		"ruls: []": "", "": "", "- a": "", "[": "",
	} {
		if got, ok := KindOf([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	}
}
