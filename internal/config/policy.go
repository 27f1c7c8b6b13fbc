package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/agentapi/prekill"
	"github.com/estimatord/estimatord/qos"
)

// PolicyFile is what a policy file says.
type PolicyFile struct {
	Policy *qos.Policy
	// Hook is told of each kill before it is handed over; nil: nobody is.
	Hook *Hook
	// File is the file's name, Hash the first digits of its text's SHA-256, by
	// which logs, metrics and people tell one text from another.
	File, Hash string
	// Warnings are what is legal and odd, in the order of the text.
	Warnings Errors
}

// LoadPolicy reads a policy file. The error is that of reading, or Errors.
func LoadPolicy(path string) (*PolicyFile, error) {
	data, err := Read(path)
	if err != nil {
		return nil, err
	}
	return ParsePolicy(path, data)
}

// ParsePolicy makes a policy of the text of the file called name. How old its
// inputs may be is not part of the file; it starts from qos.DefaultFresh.
func ParsePolicy(name string, data []byte) (*PolicyFile, error) {
	d, root := open(name, data)
	p := &policyText{document: d, Policy: qos.DefaultPolicy(), hook: Hook{Deadline: prekill.DefaultDeadline}}
	if root != nil {
		d.mapping(root, "", fieldsOf(p.keys()))
	}
	if len(d.faults) == 0 && len(p.Rules) == 0 {
		d.faultAt("rules", "there is none (a daemon without rules has no policy file)", nil)
	}
	p.semantics()
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	p.oddities()
	f := &PolicyFile{Policy: &p.Policy, File: name, Hash: hashOf(data), Warnings: d.faults}
	_ = f.Warnings.err() // sorts
	if isSet(&p.hook) {
		f.Hook = &p.hook
	}
	return f, nil
}

// hashDigits of a hash are enough to tell the texts of one node apart.
const hashDigits = 12

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// policyText is a policy on its way from text to values.
type policyText struct {
	*document
	qos.Policy
	hook Hook
}

// semantics reports what the policy says of itself, each at its place. Of what
// could not be read whole, nothing more is said: it may follow from that alone.
func (p *policyText) semantics() {
	spoilt := map[string]bool{}
	for _, f := range p.faults {
		spoilt[part(f.Key)] = true
	}
	if n := p.places["hook"]; !spoilt["hook"] && n != nil && len(n.Content) > 0 {
		checkHook(&p.hook, func(field, reason string) { p.faultAt("hook"+field, reason, nil) })
	}
	err := p.Validate()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return
	}
	for _, e := range joined.Unwrap() {
		var f *qos.FieldError
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

// rule takes one element of rules. Its signal comes first, since it says what
// the other keys default to.
func (p *policyText) rule(n *yaml.Node, path string) {
	var name qos.Signal
	retired := false
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		switch key := n.Content[i].Value; {
		case key == "signal":
			name = qos.Signal(n.Content[i+1].Value)
		case retiredKeys[key] != nil:
			retired = true
		}
	}
	r, known := name.Defaults()
	keys := p.ruleKeys(&r)
	p.mapping(n, path, append(fieldsOf(keys), p.retired()...))
	if !retired { // what is missing then is what the retired key stands for
		p.demand(n, path, keys)
	}
	if known && p.places[path+".clear"] == nil {
		r.Clear = name.ClearOf(r.Above)
	}
	p.Rules = append(p.Rules, r)
}

// demand reports the required keys that n does not have.
func (p *policyText) demand(n *yaml.Node, path string, keys []key) {
	for i := range keys {
		k := &keys[i]
		if k.required && n.Kind == yaml.MappingNode && p.places[path+"."+k.name] == nil {
			p.fault(n, path+"."+k.name, "is missing", nil)
		}
	}
}

// while takes a rule's second condition.
func (p *policyText) while(r *qos.Rule) func(n *yaml.Node, path string) {
	return func(n *yaml.Node, path string) {
		keys := p.whileKeys(r)
		p.mapping(n, path, fieldsOf(keys))
		p.demand(n, path, keys)
	}
}

// priority takes one element of victims.priorities.
func (p *policyText) priority(n *yaml.Node, path string) {
	var r qos.Priority
	keys := p.priorityKeys(&r)
	p.mapping(n, path, fieldsOf(keys))
	p.demand(n, path, keys)
	p.Victims.Priorities = append(p.Victims.Priorities, r)
}

func parseSignal(s string) (qos.Signal, error) {
	if qos.Signal(s).Known() {
		return qos.Signal(s), nil
	}
	return "", fmt.Errorf("%q is not a signal: %s%s", s, strings.Join(signalNames(), ", "), Suggest(s, signalNames()))
}

func signalNames() []string {
	var names []string
	for _, s := range qos.Signals() {
		names = append(names, string(s))
	}
	return names
}

func parseAction(s string) (qos.Rung, error) {
	if r, ok := qos.ParseRung(s); ok && r != qos.None {
		return r, nil
	}
	return 0, fmt.Errorf("%q is not an action: %s%s", s, strings.Join(actionNames(), ", "), Suggest(s, actionNames()))
}

func actionNames() []string {
	var names []string
	for r := qos.StopOffering; r <= qos.Kill; r++ {
		names = append(names, r.String())
	}
	return names
}
