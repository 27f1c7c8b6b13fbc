package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/qos"
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
	want := qos.DefaultPolicy()
	want.Rules = []qos.Rule{
		{Name: "squeeze", Signal: qos.RegularCPUPressure, Above: 0.1, Clear: 0.05, Settle: 5 * time.Second, Action: qos.Slow, Immediate: true},
		{Name: "squeeze-size", Signal: qos.RegularCPUContention, Above: 1.25, Clear: 1.1, For: time.Second, Settle: 5 * time.Second, Action: qos.Slow},
		{Name: "squeeze-v1", Signal: qos.RegularRunDelay, Above: 0.2, Clear: 0.15, For: time.Second, Settle: 5 * time.Second, Action: qos.Slow},
		{Name: "starved", Signal: qos.RegularCPUPressure, Above: 0.2, Clear: 0.1, For: 10 * time.Second, Settle: 15 * time.Second, Action: qos.Kill},
		{Name: "starved-v1", Signal: qos.RegularRunDelay, Above: 0.3, Clear: 0.2, While: qos.While{Signal: qos.NodeCPU, Above: 0.95}, For: 10 * time.Second, Settle: 15 * time.Second, Action: qos.Kill},
		{Name: "full", Signal: qos.NodeCPU, Above: 0.95, Clear: 0.9, For: 5 * time.Second, Settle: 5 * time.Second, Action: qos.StopOffering},
		{Name: "estimate", Signal: qos.EstimateBroken, Above: 0.05, Clear: 0.025, Action: qos.StopOffering},
	}
	if diff := cmp.Diff(&want, got.Policy); diff != "" {
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
	want.Rules = append(want.Rules, qos.Rule{
		Name: "memory", Signal: qos.NodeMemory, Above: 0.95, Clear: 0.9, For: 2 * time.Second, Settle: 5 * time.Second, Action: qos.Kill,
	}, qos.Rule{
		Name: "load5", Signal: qos.Load5, Above: 6, Clear: 0.9 * 6, While: qos.While{Signal: qos.Load1, Above: 6},
		Settle: time.Minute, Action: qos.Kill, Immediate: true, Shadow: true,
	})
	want.Victims.Priorities = []qos.Priority{{Label: "tier=spare", Priority: -10}, {Role: "batch/paid", Priority: 10}}
	if diff := cmp.Diff(&want, got.Policy); diff != "" {
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
	want := qos.DefaultPolicy()
	r, _ := qos.NodeCPU.Defaults()
	r.Name, r.Clear = "a", qos.NodeCPU.ClearOf(r.Above)
	want.Rules = []qos.Rule{r}
	if diff := cmp.Diff(&want, got.Policy); diff != "" {
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
	want := &qos.Policy{
		Shadow: true,
		Rules: []qos.Rule{{
			Name: "l", Signal: qos.Load15, Above: 1.5, Clear: 1, PerCPU: true, While: qos.While{Signal: qos.Load1, Above: 2},
			For: 90 * time.Second, Action: qos.Freeze, Immediate: true, Shadow: true,
		}},
		Ladder: qos.Ladder{
			Dwell: time.Minute, FloorCores: 0.5, Loosen: 0.1, FreezeFor: 20 * time.Second, KillsAtOnce: 3, IgnoredAfter: time.Minute,
		},
		Budget: qos.Budget{Kills: 4, Per: 30 * time.Minute},
		Victims: qos.Victims{
			MinAge:     2 * time.Minute,
			Protect:    qos.Protect{Frameworks: []string{"f"}, Roles: []string{"r", "s/t"}, Labels: []string{"k", "k=v=w"}},
			Priorities: []qos.Priority{{Framework: "g", Priority: -1}, {Label: "no", Priority: 2}},
		},
		Fresh: qos.DefaultFresh(),
	}
	if diff := cmp.Diff(want, got.Policy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Hook{Socket: "/run/x.sock", Deadline: 100 * time.Millisecond}, got.Hook); diff != "" {
		t.Errorf("hook (-want +got):\n%s", diff)
	}
}

// The hash tells texts apart, and is that of sha256sum.
func TestHash(t *testing.T) {
	const text = "rules: [{name: a, signal: node_cpu}]\n"
	if got := parsePolicy(t, text).Hash; got != "f9928ff59a63" {
		t.Errorf("hash %s", got)
	}
	if parsePolicy(t, text+"#").Hash == parsePolicy(t, text).Hash {
		t.Error("two texts have one hash")
	}
}
