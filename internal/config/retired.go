package config

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"
)

// retiredKeys are keys that rules once had, with what to write instead of one
// with that value.
var retiredKeys = map[string]func(value string) string{
	"kind": func(value string) string {
		switch value {
		case "cpu":
			return "write signal: node_cpu"
		case "load":
			return "write a rule with signal: load5 and one with signal: load15, each with its above"
		}
		return "write signal:, one of docs/reference/signals.md"
	},
	"load1":  func(value string) string { return "write while: {signal: load1, above: " + value + "}" },
	"load5":  func(value string) string { return "write a rule with signal: load5 and above: " + value },
	"load15": func(value string) string { return "write a rule with signal: load15 and above: " + value },
}

// retired are the fields that refuse them, each with its cure.
func (p *policyText) retired() []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(retiredKeys)) {
		fields = append(fields, field{name: name, retired: true, take: func(n *yaml.Node, path string) {
			p.fault(n, path, "is no key any more: "+retiredKeys[name](n.Value), nil)
		}})
	}
	return fields
}
