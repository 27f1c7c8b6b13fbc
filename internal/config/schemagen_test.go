package config

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/estimatord/estimatord/qos/signal"
)

// The schemas in configs/ are made here: the daemon needs none.

// policySchema is the JSON Schema of policy files, for editors. It is made from
// the table that the parser uses. The parser knows more: it is the one that
// decides.
func policySchema() ([]byte, error) {
	root := schema{"title": "estimatord policy: when capacity is taken back from revocable containers, and from which"}
	object(root, newPolicyText().keys())
	rules := at(root, "rules")
	rules["minItems"] = 1
	rules["items"].(schema)["allOf"] = bySignals()
	at(root, "hook")["oneOf"] = exactlyOne("command", "socket")
	at(at(root, "victims"), "priorities")["items"].(schema)["oneOf"] = exactlyOne("framework", "role", "label")
	return textOf(root, "policy")
}

// settingsSchema is the same for the settings of the daemon.
func settingsSchema() ([]byte, error) {
	c := Default()
	root := schema{"title": "estimatord settings: what is offered, and how it is measured"}
	object(root, settings(&c, nil))
	return textOf(root, "settings")
}

// textOf is the text of the schema of a whole document.
func textOf(root schema, name string) ([]byte, error) {
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/estimatord/estimatord/raw/main/configs/" + name + ".schema.json"
	root["type"] = "object"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

// object gives s the keys as properties, and what is below them.
func object(s schema, keys []key) {
	properties, required := schema{}, []string{}
	for i := range keys {
		k := &keys[i]
		if k.notInFile {
			continue
		}
		shape := maps.Clone(k.shape)
		shape["description"] = k.help
		if def := k.byDefault(); def != "" {
			shape["description"] = k.help + " (default: " + def + ")"
		}
		switch {
		case k.each != nil:
			items := schema{"type": "object"}
			object(items, k.below)
			shape["items"] = items
		case k.below != nil:
			object(shape, k.below)
		}
		if k.required {
			required = append(required, k.name)
		}
		properties[k.name] = shape
	}
	s["properties"], s["additionalProperties"] = properties, false
	if len(required) > 0 {
		s["required"] = required
	}
}

// at is the shape of a key.
func at(s schema, name string) schema { return s["properties"].(schema)[name].(schema) }

func exactlyOne(names ...string) []schema {
	var each []schema
	for _, name := range names {
		each = append(each, schema{"required": []string{name}})
	}
	return each
}

// bySignals are the limits of a rule that depend on what it reads.
func bySignals() []schema {
	var all []schema
	for _, spec := range signal.Specs() {
		most, exclusive := spec.Limit()
		above := schema{"maximum": most}
		if exclusive {
			above = schema{"exclusiveMaximum": most}
		}
		properties := schema{"above": above}
		if !spec.PerCPU {
			properties["per_cpu"] = schema{"const": false}
		}
		then := schema{"properties": properties}
		if spec.Default.Above == 0 {
			then["required"] = []string{"above"}
		}
		all = append(all, schema{
			"if":   schema{"required": []string{"signal"}, "properties": schema{"signal": schema{"const": string(spec.Name)}}},
			"then": then,
		})
	}
	return all
}

// byDefault is the key's default for people, "" when there is none.
func (k *key) byDefault() string {
	if k.def != "" || k.required || k.show == nil {
		return k.def
	}
	if s := k.show(); s != "" || k.clear == nil {
		return s
	}
	return "[]"
}
