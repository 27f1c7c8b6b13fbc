package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

const examplePolicy = "../../configs/policy.yaml"

func parsePolicy(t *testing.T, text string) *PolicyFile {
	t.Helper()
	f, err := ParsePolicy("p", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

func TestExamplePolicy(t *testing.T) {
	got, err := LoadPolicy(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	want := policy.DefaultPolicy()
	want.Rules = []policy.Rule{
		{Name: "contention", Signal: signal.RegularCPUPressure, Above: 0.1, Clear: 0.05, Settle: 5 * time.Second, Action: policy.Throttle, Immediate: true},
		{Name: "contention-size", Signal: signal.RegularCPUContention, Above: 1.25, Clear: 1.1, For: time.Second, Settle: 5 * time.Second, Action: policy.Throttle},
		{Name: "contention-v1", Signal: signal.RegularRunDelay, Above: 0.2, Clear: 0.15, For: time.Second, Settle: 5 * time.Second, Action: policy.Throttle},
		{Name: "starved", Signal: signal.RegularCPUPressure, Above: 0.2, Clear: 0.1, For: 10 * time.Second, Settle: 15 * time.Second, Action: policy.Kill},
		{Name: "starved-v1", Signal: signal.RegularRunDelay, Above: 0.3, Clear: 0.2, While: policy.While{Signal: signal.NodeCPU, Above: 0.95}, For: 10 * time.Second, Settle: 15 * time.Second, Action: policy.Kill},
		{Name: "full", Signal: signal.NodeCPU, Above: 0.95, Clear: 0.9, For: 5 * time.Second, Settle: 5 * time.Second, Action: policy.StopOffering},
		{Name: "estimate", Signal: signal.PredictionViolated, Above: 0.05, Clear: 0.025, Action: policy.StopOffering},
	}
	if diff := cmp.Diff(&want, got.Policy, cmpopts.IgnoreUnexported(policy.Policy{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Hook != nil || got.Warnings != nil || got.File != examplePolicy {
		t.Errorf("hook %+v, warnings %v, file %s", got.Hook, got.Warnings, got.File)
	}

	// What is commented out is right as well.
	text, err := os.ReadFile(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(uncommented(string(text)))
	got = parsePolicy(t, string(text))
	want.Rules = append(want.Rules, policy.Rule{
		Name: "memory", Signal: signal.NodeMemory, Above: 0.95, Clear: 0.9, For: 2 * time.Second, Settle: 5 * time.Second, Action: policy.Kill,
	}, policy.Rule{
		Name: "load5", Signal: signal.Load5, Above: 6, Clear: 0.9 * 6, While: policy.While{Signal: signal.Load1, Above: 6},
		Settle: time.Minute, Action: policy.Kill, Immediate: true, Shadow: true,
	})
	want.Victims.Priorities = []policy.Priority{{Label: "tier=spare", Priority: -10}, {Role: "batch/paid", Priority: 10}}
	if diff := cmp.Diff(&want, got.Policy, cmpopts.IgnoreUnexported(policy.Policy{})); diff != "" {
		t.Errorf("uncommented (-want +got):\n%s", diff)
	}
	hook := &Hook{Command: []string{"/usr/local/bin/warn-framework", "--quick"}, Deadline: 2 * time.Second}
	if diff := cmp.Diff(hook, got.Hook); diff != "" {
		t.Errorf("hook (-want +got):\n%s", diff)
	}
	socket := strings.NewReplacer("  command:", "  # command:", "  # socket:", "  socket:").Replace(string(text))
	if got = parsePolicy(t, socket); got.Hook == nil || got.Hook.Socket != "/run/framework/warn.sock" || got.Hook.Command != nil {
		t.Errorf("hook with a socket: %+v", got.Hook)
	}
}

// uncommented is the example with all that is commented out.
func uncommented(text string) string {
	return strings.NewReplacer("  # - name", "  - name", "  #   ", "    ", "  # - {", "    - {", "priorities: []", "priorities:",
		"\n# hook:", "\nhook:", "\n#   command", "\n  command", "\n#   #", "\n  #", "\n#   deadline", "\n  deadline").Replace(text)
}

// A file that says the least is the default in all else.
func TestShortestPolicy(t *testing.T) {
	got := parsePolicy(t, "rules: [{name: a, signal: node_cpu}]")
	want := policy.DefaultPolicy()
	r := signal.Of(signal.NodeCPU).Rule()
	r.Name, r.Clear = "a", signal.Of(signal.NodeCPU).ClearOf(r.Above)
	want.Rules = []policy.Rule{r}
	if diff := cmp.Diff(&want, got.Policy, cmpopts.IgnoreUnexported(policy.Policy{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Hook != nil || r.Above == 0 || r.Clear == 0 {
		t.Errorf("hook %+v, rule %+v", got.Hook, r)
	}
	// A section of which all is commented out is no hook.
	if got = parsePolicy(t, "rules: [{name: a, signal: node_cpu}]\nhook:\n"); got.Hook != nil {
		t.Errorf("hook %+v", got.Hook)
	}
}

const wholePolicy = `
shadow: true
rules:
  - {name: l, signal: load15, above: 1.5, clear: 1, per_cpu: true, while: {signal: load1, above: 2},
     for: 1m30s, settle: 0s, action: freeze, immediate: true, shadow: true}
ladder: {dwell: 1m, floor: 0.5, loosen: 0.1, freeze_for: 20s, kills_at_once: 3, ignored_after: 1m}
budget: {kills: 4, per: 30m}
victims:
  min_age: 2m
  min_usage: 0
  protect: {frameworks: [f], roles: [r, s/t], labels: [k, "k=v=w"]}
  priorities: [{framework: g, priority: -1}, {label: "no", priority: +2}]
hook: {socket: /run/x.sock, deadline: 100ms}
`

func TestWholePolicy(t *testing.T) {
	got := parsePolicy(t, wholePolicy)
	want := &policy.Policy{
		Shadow: true,
		Rules: []policy.Rule{{
			Name: "l", Signal: signal.Load15, Above: 1.5, Clear: 1, PerCPU: true, While: policy.While{Signal: signal.Load1, Above: 2},
			For: 90 * time.Second, Action: policy.Freeze, Immediate: true, Shadow: true,
		}},
		Ladder: policy.Ladder{
			Dwell: time.Minute, FloorCores: 0.5, Loosen: 0.1, FreezeFor: 20 * time.Second, KillsAtOnce: 3, IgnoredAfter: time.Minute,
		},
		Budget: policy.Budget{Kills: 4, Per: 30 * time.Minute},
		Victims: policy.Victims{
			MinAge:     2 * time.Minute,
			Protect:    policy.Protect{Frameworks: []string{"f"}, Roles: []string{"r", "s/t"}, Labels: []string{"k", "k=v=w"}},
			Priorities: []policy.Priority{{Framework: "g", Priority: -1}, {Label: "no", Priority: 2}},
		},
		Fresh: policy.DefaultFresh(),
	}
	if diff := cmp.Diff(want, got.Policy, cmpopts.IgnoreUnexported(policy.Policy{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Hook{Socket: "/run/x.sock", Deadline: 100 * time.Millisecond}, got.Hook); diff != "" {
		t.Errorf("hook (-want +got):\n%s", diff)
	}
}

// The hash tells what policies say apart, not how it is written.
func TestHash(t *testing.T) {
	hash := func(text string) string { return parsePolicy(t, text).Policy.Hash() }
	const text = "rules: [{name: a, signal: node_cpu}]\n"
	if got := hash(text); len(got) != 12 || got != hash(text+"# a comment\n") {
		t.Errorf("hash %q, with a comment %q", got, hash(text+"# a comment\n"))
	}
	if hash(text) == hash("rules: [{name: b, signal: node_cpu}]\n") {
		t.Error("two policies have one hash")
	}
}
