package config

import (
	"bytes"
	"encoding/json"

	"github.com/estimatord/estimatord/qos"
)

// schema is the part of JSON Schema, draft 2020-12, that policy files need.
// Properties keep their order, so that the text is stable and reads as the
// documentation does.
type schema struct {
	Schema           string      `json:"$schema,omitempty"`
	ID               string      `json:"$id,omitempty"`
	Title            string      `json:"title,omitempty"`
	Description      string      `json:"description,omitempty"`
	Type             string      `json:"type,omitempty"`
	Const            any         `json:"const,omitempty"`
	Enum             []string    `json:"enum,omitempty"`
	Pattern          string      `json:"pattern,omitempty"`
	MinLength        *int        `json:"minLength,omitempty"`
	Minimum          *float64    `json:"minimum,omitempty"`
	Maximum          *float64    `json:"maximum,omitempty"`
	ExclusiveMinimum *float64    `json:"exclusiveMinimum,omitempty"`
	ExclusiveMaximum *float64    `json:"exclusiveMaximum,omitempty"`
	MinItems         *int        `json:"minItems,omitempty"`
	Items            *schema     `json:"items,omitempty"`
	Properties       *properties `json:"properties,omitempty"`
	// AdditionalProperties is false or absent.
	AdditionalProperties *bool     `json:"additionalProperties,omitempty"`
	Required             []string  `json:"required,omitempty"`
	OneOf                []*schema `json:"oneOf,omitempty"`
	AllOf                []*schema `json:"allOf,omitempty"`
	If                   *schema   `json:"if,omitempty"`
	Then                 *schema   `json:"then,omitempty"`
}

// properties are a mapping in order.
type properties []property

type property struct {
	name  string
	shape *schema
}

// MarshalJSON keeps the order.
func (ps *properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range *ps {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		shape, err := marshal(p.shape)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(shape)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal without escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

const schemaID = "https://github.com/estimatord/estimatord/raw/main/configs/policy.schema.json"

// PolicySchema is the JSON Schema of policy files, for editors. It is made from
// the table that the parser uses. The parser knows more: it is the one that
// decides.
func PolicySchema() ([]byte, error) {
	p := &policyText{document: &document{}, Policy: qos.DefaultPolicy()}
	root := object(&schema{Type: "object"}, p.keys())
	root.Schema, root.ID = "https://json-schema.org/draft/2020-12/schema", schemaID
	root.Title = "estimatord policy: when capacity is taken back from revocable containers, and from which"
	root.at("rules").Items.AllOf = bySignals()
	for _, exclusive := range [][]string{{"victims", "priorities"}, {"hook"}} {
		s := root
		for _, name := range exclusive {
			s = s.at(name)
		}
		words := []string{"command", "socket"}
		if s.Items != nil {
			s, words = s.Items, []string{"framework", "role", "label"}
		}
		for _, w := range words {
			s.OneOf = append(s.OneOf, &schema{Required: []string{w}})
		}
	}
	text, err := marshal(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// object gives s the keys as properties, and what is below them.
func object(s *schema, keys []key) *schema {
	var ps properties
	for i := range keys {
		k := &keys[i]
		shape := *k.shape
		shape.Description = k.help
		if k.def != "" {
			shape.Description += " (default: " + k.def + ")"
		}
		switch {
		case k.below != nil && shape.Items != nil:
			items := *shape.Items
			shape.Items = object(&items, k.below)
		case k.below != nil:
			object(&shape, k.below)
		}
		if k.required {
			s.Required = append(s.Required, k.name)
		}
		ps = append(ps, property{k.name, &shape})
	}
	no := false
	s.Properties, s.AdditionalProperties = &ps, &no
	return s
}

// at is the shape of a key.
func (s *schema) at(name string) *schema {
	for _, p := range *s.Properties {
		if p.name == name {
			return p.shape
		}
	}
	return nil
}

// bySignals are the limits of a rule that depend on what it reads.
func bySignals() []*schema {
	var all []*schema
	for _, name := range qos.Signals() {
		then := &schema{Properties: &properties{}}
		above := &schema{}
		if most, exclusive := name.Limit(); exclusive {
			above.ExclusiveMaximum = &most
		} else {
			above.Maximum = &most
		}
		*then.Properties = append(*then.Properties, property{"above", above})
		if !name.PerCPU() {
			*then.Properties = append(*then.Properties, property{"per_cpu", &schema{Const: false}})
		}
		if def, _ := name.Defaults(); def.Above == 0 {
			then.Required = []string{"above"}
		}
		all = append(all, &schema{
			If: &schema{
				Required:   []string{"signal"},
				Properties: &properties{{"signal", &schema{Const: string(name)}}},
			},
			Then: then,
		})
	}
	return all
}
