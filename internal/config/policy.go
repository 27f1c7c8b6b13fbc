package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/agentapi/prekill"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// PolicyFile is what a policy file says.
type PolicyFile struct {
	Policy *policy.Policy
	// Hook is told of each kill before it is handed over; nil: nobody is.
	Hook *Hook
	// File is the file's name.
	File string
	// Warnings are what lint finds, in the order of the text.
	Warnings Errors
}

// LoadPolicy reads a policy file, and refuses a hook that is not ready to be told
// on this host. The error is that of reading, or Errors.
func LoadPolicy(path string) (*PolicyFile, error) {
	data, err := Read(path)
	if err != nil {
		return nil, err
	}
	return parsePolicyFile(path, data, judgeHook)
}

// ParsePolicy makes a policy of the text of the file called name. How old its
// inputs may be is not part of the file; it starts from policy.DefaultFresh.
func ParsePolicy(name string, data []byte) (*PolicyFile, error) {
	return parsePolicyFile(name, data, nil)
}

// parsePolicyFile is ParsePolicy where judge, which may be nil, says what is wrong
// with a hook on this host.
func parsePolicyFile(name string, data []byte, judge func(*Hook) (key string, err error)) (*PolicyFile, error) {
	p := newPolicyText()
	p.open(name, data, p.keys())
	if len(p.faults) == 0 && len(p.Rules) == 0 {
		p.faultAt("rules", "there is none (a daemon without rules has no policy file)", nil)
	}
	p.semantics()
	if len(p.faults) == 0 && isSet(&p.hook) && judge != nil {
		if key, err := judge(&p.hook); err != nil {
			p.faultAt(key, err.Error(), err)
		}
	}
	if err := p.faults.err(); err != nil {
		return nil, err
	}
	p.lint()
	f := &PolicyFile{Policy: &p.Policy, File: name, Warnings: p.faults}
	_ = f.Warnings.err() // sorts
	if isSet(&p.hook) {
		f.Hook = &p.hook
	}
	return f, nil
}

// policyText is a policy on its way from text to values.
type policyText struct {
	document
	policy.Policy
	hook Hook
}

func newPolicyText() *policyText {
	return &policyText{Policy: policy.DefaultPolicy(), hook: Hook{Deadline: prekill.DefaultDeadline}}
}

// mostAbove: no signal takes a higher threshold (2^50 is a PiB).
const mostAbove = 1 << 50

const bySignal = "by signal"

// keys is the table of a policy file, in the order of the documentation.
func (p *policyText) keys() []key {
	l, b, v, h := &p.Ladder, &p.Budget, &p.Victims, &p.hook
	wholeOf := func(to *int, least, most int) value { return whole(to, "whole number", least, most) }
	return []key{
		{name: "shadow", help: "nothing is done; what would be done is decided, logged and counted", value: boolean(&p.Shadow)},
		{name: "rules", help: "when to act", value: sections(ruleKeys(&policy.Rule{}), p.rule), required: true},
		{name: "ladder", help: "how the rungs are climbed and left", value: section(
			key{name: "dwell", help: "time in which nothing asks for a rung before it is left, and between two steps by which a throttle is loosened", value: duration(&l.Dwell, 0, policy.MaxWait)},
			key{name: "floor", help: "cores that each throttled container keeps at least", value: number(&l.FloorCores, policy.MinCores, policy.MaxCores)},
			key{name: "loosen", help: "share of itself by which a throttle is loosened at a step", value: number(&l.Loosen, 0.01, 10)},
			key{name: "freeze_for", help: "longest time that a container is frozen; 0s: none ever is", value: duration(&l.FreezeFor, 0, policy.MaxFreeze)},
			key{name: "kills_at_once", help: "kills that may be under way together, where a reading says that one is not enough", value: wholeOf(&l.KillsAtOnce, 1, policy.MaxKills)},
			key{name: "ignored_after", help: "time after which a kill that has no effect is counted as ignored, and not waited for", value: duration(&l.IgnoredAfter, time.Second, policy.MaxWait)},
		)},
		{name: "budget", help: "how many kills are allowed", value: section(
			key{name: "kills", help: "kills that are allowed in that time", value: wholeOf(&b.Kills, 1, policy.MaxKills)},
			key{name: "per", help: "the time", value: duration(&b.Per, time.Minute, policy.MaxWait)},
		)},
		{name: "victims", help: "who may be killed, and in which order", value: section(
			key{name: "min_age", help: "spares containers known to this daemon for less", value: duration(&v.MinAge, 0, policy.MaxWait)},
			key{name: "min_usage", help: "spares containers that use less, in cores", value: number(&v.MinUsage, 0, policy.MaxCores)},
			key{name: "protect", help: "never killed, although revocable", value: section(
				key{name: "frameworks", help: "ids or, with agent_url, names of frameworks", value: list(&v.Protect.Frameworks, noControl)},
				key{name: "roles", help: "roles, with the roles below them", value: list(&v.Protect.Roles, noControl)},
				key{name: "labels", help: "`key` or `key=value`, of the executor or of any of its tasks", value: labels(&v.Protect.Labels)},
			)},
			key{name: "priorities", help: "lower is killed first; the first entry that matches counts, no match is 0", value: sections(priorityKeys(&policy.Priority{}), p.priority), def: "[]"},
		)},
		{name: "hook", help: "who is told before a kill", value: section(
			key{name: "command", help: "program, as an absolute path, with its arguments; or", value: arguments(&h.Command)},
			key{name: "socket", help: "absolute path of a Unix socket; exactly one of the two", value: text(&h.Socket, "path", "^/", noControl)},
			key{name: "deadline", help: "time after which the kill goes on without an answer", value: duration(&h.Deadline, prekill.MinDeadline, prekill.MaxDeadline)},
		)},
	}
}

func ruleKeys(r *policy.Rule) []key {
	return []key{
		{name: "name", help: "unique in the file; stands in logs and metrics", value: text(&r.Name, "text", `^[A-Za-z0-9_-]{1,63}$`, noControl), required: true},
		{name: "signal", help: "what is read", value: signalName(&r.Signal), required: true},
		{name: "above", help: "threshold, in the signal's unit", value: threshold(&r.Above), def: bySignal},
		{name: "clear", help: "level, not above the threshold, below which an active rule lets go", value: number(&r.Clear, 0, mostAbove), def: bySignal},
		{name: "per_cpu", help: "the reading is divided by the number of CPUs first (load averages)", value: boolean(&r.PerCPU)},
		{name: "while", help: "a second condition: unless its reading is above too, the first one counts as not above", value: section(
			key{name: "signal", help: "what is read", value: signalName(&r.While.Signal), required: true},
			key{name: "above", help: "threshold, in its unit", value: threshold(&r.While.Above), required: true},
		)},
		{name: "for", help: "time the reading must be above without interruption", value: duration(&r.For, 0, policy.MaxWait), def: bySignal},
		{name: "action", help: "highest rung of the ladder that the rule asks for", value: action(&r.Action), def: bySignal},
		{name: "immediate", help: "goes to its action at once, without the rungs below it", value: boolean(&r.Immediate)},
		{name: "settle", help: "time that a throttle is given to help before the next rung, and after a victim is gone in which the rule takes no other", value: duration(&r.Settle, 0, policy.MaxWait), def: bySignal},
		{name: "shadow", help: "what the rule would do is decided, logged and counted, and not done", value: boolean(&r.Shadow)},
	}
}

func priorityKeys(r *policy.Priority) []key {
	return []key{
		{name: "framework", help: "id or, with agent_url, name of a framework; or", value: text(&r.Framework, "text", "", noControl)},
		{name: "role", help: "role, with the roles below it; or", value: text(&r.Role, "text", "", noControl)},
		{name: "label", help: "`key` or `key=value`; exactly one of the three", value: text(&r.Label, "text", labelPattern, noControl)},
		{name: "priority", help: "rank", value: whole(&r.Priority, "whole number", -1000, 1000), required: true},
	}
}

// rule takes one element of rules. Its signal comes first, since it says what
// the other keys default to.
func (p *policyText) rule(d *document, at place) {
	var name policy.Signal
	for i := 0; at.node.Kind == yaml.MappingNode && i+1 < len(at.node.Content); i += 2 {
		if at.node.Content[i].Value == "signal" {
			name = policy.Signal(at.node.Content[i+1].Value)
		}
	}
	var r policy.Rule
	spec := signal.Specs().Of(name)
	if spec != nil {
		r = spec.Rule()
	}
	d.mapping(at, ruleKeys(&r))
	if spec != nil && d.places[at.path+".clear"] == nil {
		r.Clear = spec.ClearOf(r.Above)
	}
	p.Rules = append(p.Rules, r)
}

// priority takes one element of victims.priorities.
func (p *policyText) priority(d *document, at place) {
	var r policy.Priority
	d.mapping(at, priorityKeys(&r))
	p.Victims.Priorities = append(p.Victims.Priorities, r)
}

// labelPattern is what a schema can check of a label; qos checks more.
const labelPattern = `^[^=]`

func labels(to *[]string) value {
	v := list(to, noControl)
	v.shape["items"] = schema{"type": "string", "minLength": 1, "pattern": labelPattern}
	return v
}

// arguments takes a list in which a text may stand twice.
func arguments(to *[]string) value {
	v := list(to, noControl)
	v.show = nil // there is no default
	v.set = func(s string) error {
		*to = append(*to, s)
		return noControl(s)
	}
	return v
}

// threshold takes a number above 0, which would mean that it is not set.
func threshold(to *float64) value {
	v := number(to, 0, mostAbove)
	v.shape = schema{"type": "number", "exclusiveMinimum": 0, "maximum": mostAbove}
	set := v.set
	v.set = func(s string) error {
		err := set(s)
		if err == nil && *to == 0 {
			err = fmt.Errorf("%s is not above 0", quote(s))
		}
		return err
	}
	return v
}

func signalName(to *policy.Signal) value {
	var names []policy.Signal
	for _, s := range signal.Specs() {
		names = append(names, s.Name)
	}
	v := choice(to, names...)
	v.form = "signal"
	return v
}

func action(to *policy.Rung) value {
	parse := func(s string) (policy.Rung, error) {
		r, _ := policy.ParseRung(s)
		return r, oneOf(s, policy.ActionNames(), "|")
	}
	return scalar(to, "action", schema{"type": "string", "enum": policy.ActionNames()}, parse, policy.Rung.String)
}

// semantics reports what the policy says of itself, each at its place. Of what
// could not be read whole, nothing more is said: it may follow from that alone.
func (p *policyText) semantics() {
	spoilt := map[string]bool{}
	for _, f := range p.faults {
		spoilt[part(f.Key)] = true
	}
	if n := p.places["hook"]; !spoilt["hook"] && n != nil && len(n.Content) > 0 {
		p.checkHook()
	}
	err := p.Validate(signal.Specs())
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return
	}
	for _, e := range joined.Unwrap() {
		var f *policy.FieldError
		if errors.As(e, &f) && !spoilt[part(f.Path)] {
			p.faultAt(f.Path, f.Reason, e)
		}
	}
}

// part is the rule, the priority or the section that a path leads into.
func part(path string) string {
	for _, list := range []string{"rules[", "victims.priorities["} {
		if rest, in := strings.CutPrefix(path, list); in {
			index, _, _ := strings.Cut(rest, "]")
			return list + index
		}
	}
	if strings.HasPrefix(path, "hook") {
		return "hook"
	}
	path, _, _ = strings.Cut(path, "[")
	return path
}

// Kind is what a file is for.
type Kind string

// The kinds of files.
const (
	KindPolicy Kind = "policy"
	KindDaemon Kind = "daemon"
)

// KindOf tells a policy from the daemon's settings by the first key that is
// known, of which they have none in common; false when there is none.
func KindOf(data []byte) (Kind, bool) {
	root := (&document{}).root(data)
	c, policy := Default(), newPolicyText().keys()
	for i := 0; root != nil && root.Kind == yaml.MappingNode && i < len(root.Content); i += 2 {
		switch name := root.Content[i].Value; {
		case find(policy, name) != nil:
			return KindPolicy, true
		case find(settings(&c, nil), name) != nil:
			return KindDaemon, true
		}
	}
	return "", false
}

// ParseKind is the kind called s.
func ParseKind(s string) (Kind, error) {
	return Kind(s), oneOf(s, []string{string(KindPolicy), string(KindDaemon)}, " or ")
}
