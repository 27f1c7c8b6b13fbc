package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/qos"
)

// LoadPolicy reads a policy file. The error is that of reading, or Errors.
func LoadPolicy(path string) (*qos.Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParsePolicy(path, data)
}

// ParsePolicy makes a policy of the text of the file called name. How old its
// inputs may be is not part of the file; it starts from qos.DefaultFresh.
func ParsePolicy(name string, data []byte) (*qos.Policy, error) {
	d, root := open(name, data)
	p := &policyFile{document: d, Policy: qos.DefaultPolicy()}
	if root != nil {
		d.mapping(root, "", []field{
			{"rules", func(n *yaml.Node, at string) { d.sequence(n, at, p.rule) }},
			{"victims", p.victims},
		})
	}
	if len(d.faults) == 0 && len(p.Rules) == 0 {
		d.faultAt("rules", "there is none (a daemon without rules has no policy file)", nil)
	}
	p.semantics()
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return &p.Policy, nil
}

type policyFile struct {
	*document
	qos.Policy
}

// semantics reports what the policy says of itself, each at its place. Of what
// could not be read whole, nothing more is said: it may follow from that alone.
func (p *policyFile) semantics() {
	spoilt := map[string]bool{}
	for _, f := range p.faults {
		spoilt[part(f.Key)] = true
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

// part is the rule, the priority or the setting of victims that a path leads
// into.
func part(path string) string {
	for _, list := range []string{"rules[", "victims.priorities["} {
		if rest, in := strings.CutPrefix(path, list); in {
			index, _, _ := strings.Cut(rest, "]")
			return list + index
		}
	}
	path, _, _ = strings.Cut(path, "[")
	return path
}

const longestWait = 24 * time.Hour

// rule takes one element of rules. Its signal comes first, since it says what
// the other keys default to.
func (p *policyFile) rule(n *yaml.Node, path string) {
	var name qos.Signal
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "signal" {
			name = qos.Signal(n.Content[i+1].Value)
		}
	}
	r, known := name.Defaults()
	p.mapping(n, path, []field{
		{"name", p.string(&r.Name)},
		{"signal", func(n *yaml.Node, at string) { p.text(n, at, p.signal) }},
		{"above", p.number(&r.Above)},
		{"clear", p.number(&r.Clear)},
		{"per_cpu", p.bool(&r.PerCPU)},
		{"while", func(n *yaml.Node, at string) {
			p.mapping(n, at, []field{
				{"signal", func(n *yaml.Node, at string) {
					p.text(n, at, func(s string) error { r.While.Signal = qos.Signal(s); return p.signal(s) })
				}},
				{"above", p.number(&r.While.Above)},
			})
		}},
		{"for", p.duration(&r.For)},
		{"settle", p.duration(&r.Settle)},
		{"action", func(n *yaml.Node, at string) {
			p.text(n, at, func(s string) (err error) { r.Action, err = parseAction(s); return err })
		}},
		{"immediate", p.bool(&r.Immediate)},
		{"shadow", p.bool(&r.Shadow)},
	})
	for _, must := range []string{"name", "signal"} {
		if n.Kind == yaml.MappingNode && p.places[path+"."+must] == nil {
			p.fault(n, path+"."+must, "is missing", nil)
		}
	}
	if known && p.places[path+".clear"] == nil {
		r.Clear = name.ClearOf(r.Above)
	}
	p.Rules = append(p.Rules, r)
}

func (p *policyFile) signal(s string) error {
	if qos.Signal(s).Known() {
		return nil
	}
	return fmt.Errorf("%q is not a signal: %s%s", s, strings.Join(signalNames(), ", "), suggest(s, signalNames()))
}

func signalNames() []string {
	var names []string
	for _, s := range qos.Signals() {
		names = append(names, string(s))
	}
	return names
}

func parseAction(s string) (qos.Rung, error) {
	r, ok := qos.ParseRung(s)
	if !ok || r == qos.None {
		return 0, fmt.Errorf("%q is not an action: stop_offering, throttle, freeze, kill", s)
	}
	return r, nil
}

func (p *policyFile) victims(n *yaml.Node, path string) {
	v := &p.Victims
	p.mapping(n, path, []field{
		{"min_age", p.duration(&v.MinAge)},
		{"min_usage", func(n *yaml.Node, at string) {
			p.text(n, at, func(s string) (err error) { v.MinUsage, err = parseNumber(s, 0, math.MaxFloat64); return err })
		}},
		{"protect", func(n *yaml.Node, at string) {
			p.mapping(n, at, []field{
				{"frameworks", p.strings(&v.Protect.Frameworks)},
				{"roles", p.strings(&v.Protect.Roles)},
				{"labels", p.strings(&v.Protect.Labels)},
			})
		}},
		{"priorities", func(n *yaml.Node, at string) { p.sequence(n, at, p.priority) }},
	})
}

func (p *policyFile) priority(n *yaml.Node, path string) {
	var r qos.Priority
	p.mapping(n, path, []field{
		{"framework", p.string(&r.Framework)},
		{"role", p.string(&r.Role)},
		{"label", p.string(&r.Label)},
		{"priority", func(n *yaml.Node, at string) {
			p.text(n, at, func(s string) (err error) { r.Priority, err = parseWhole(s, -1000, 1000); return err })
		}},
	})
	if n.Kind == yaml.MappingNode && p.places[path+".priority"] == nil {
		p.fault(n, path+".priority", "is missing", nil)
	}
	p.Victims.Priorities = append(p.Victims.Priorities, r)
}

func (p *policyFile) string(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		p.text(n, path, func(s string) error { *to = s; return noControl(s) })
	}
}

func (p *policyFile) strings(to *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		p.sequence(n, path, func(n *yaml.Node, path string) {
			p.text(n, path, func(s string) error { *to = append(*to, s); return noControl(s) })
		})
	}
}

// number takes a threshold: 0 would mean that it is not set.
func (p *policyFile) number(to *float64) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		p.text(n, path, func(s string) (err error) {
			*to, err = parseNumber(s, 0, math.MaxFloat64)
			if err == nil && *to == 0 {
				err = fmt.Errorf("%q is not above 0", s)
			}
			return err
		})
	}
}

func (p *policyFile) bool(to *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		p.text(n, path, func(s string) error {
			if s != "true" && s != "false" {
				return fmt.Errorf("%q is not true or false", s)
			}
			*to = s == "true"
			return nil
		})
	}
}

func (p *policyFile) duration(to *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		p.text(n, path, func(s string) (err error) { *to, err = parseDuration(s, 0, longestWait); return err })
	}
}
