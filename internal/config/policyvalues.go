package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/estimatord/estimatord/qos"
)

// value is how what stands behind a key is read, and what can stand there.
type value struct {
	take func(n *yaml.Node, path string)
	// form says what it looks like.
	form string
	// shape is the same for a schema. Its properties are those of below.
	shape *schema
	// below are the keys of a section, or of each element of a list.
	below []key
}

// Forms of values.
const (
	formSection = "section"
	formList    = "list of sections"
	formTexts   = "list"
)

// limits of a number, both included.
type limits struct{ least, most float64 }

// Patterns are those that a schema can check; the parser checks more.
const (
	namePattern     = `^[A-Za-z0-9_-]{1,63}$`
	labelPattern    = `^[^=]`
	durationPattern = `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`
)

// value takes one text.
func (p *policyText) value(form string, shape *schema, parse func(s string) error) value {
	return value{take: func(n *yaml.Node, path string) { p.text(n, path, parse) }, form: form, shape: shape}
}

func (p *policyText) string(to *string) value {
	return p.value("text", &schema{Type: "string"}, func(s string) error { *to = s; return noControl(s) })
}

// name and label are checked by qos, which knows what they are for.
func (p *policyText) name(to *string) value {
	v := p.string(to)
	v.shape.Pattern = namePattern
	return v
}

func (p *policyText) label(to *string) value {
	v := p.string(to)
	v.shape.Pattern = labelPattern
	return v
}

// path is checked by the hook.
func (p *policyText) path(to *string) value {
	v := p.string(to)
	v.form, v.shape.Pattern = "path", "^/"
	return v
}

func (p *policyText) strings(to *[]string) value {
	one := 1
	return value{
		take: func(n *yaml.Node, path string) {
			p.sequence(n, path, func(n *yaml.Node, path string) {
				p.text(n, path, func(s string) error { *to = append(*to, s); return noControl(s) })
			})
		},
		form: formTexts, shape: &schema{Type: "array", Items: &schema{Type: "string", MinLength: &one}},
	}
}

func (p *policyText) labels(to *[]string) value {
	v := p.strings(to)
	v.shape.Items.Pattern = labelPattern
	return v
}

// number takes a finite number within l.
func (p *policyText) number(to *float64, l limits) value {
	return p.value("number", &schema{Type: "number", Minimum: &l.least, Maximum: &l.most}, func(s string) (err error) {
		*to, err = parseNumber(s, l.least, l.most)
		return err
	})
}

// positive takes a threshold: 0 would mean that it is not set.
func (p *policyText) positive(to *float64, most float64) value {
	zero := 0.0
	return p.value("number", &schema{Type: "number", ExclusiveMinimum: &zero, Maximum: &most}, func(s string) (err error) {
		*to, err = parseNumber(s, 0, most)
		if err == nil && *to == 0 {
			err = fmt.Errorf("%q is not above 0", s)
		}
		return err
	})
}

func (p *policyText) whole(to *int, least, most int) value {
	low, high := float64(least), float64(most)
	return p.value("whole number", &schema{Type: "integer", Minimum: &low, Maximum: &high}, func(s string) (err error) {
		*to, err = parseWhole(s, least, most)
		return err
	})
}

func (p *policyText) bool(to *bool) value {
	return p.value("true|false", &schema{Type: "boolean"}, func(s string) error {
		if s != "true" && s != "false" {
			return fmt.Errorf("%q is not true or false", s)
		}
		*to = s == "true"
		return nil
	})
}

func (p *policyText) duration(to *time.Duration, least, most time.Duration) value {
	shape := &schema{Type: "string", Pattern: durationPattern}
	return p.value("duration", shape, func(s string) (err error) {
		*to, err = parseDuration(s, least, most)
		return err
	})
}

func (p *policyText) signal(to *qos.Signal) value {
	return p.value("signal", &schema{Type: "string", Enum: signalNames()}, func(s string) (err error) {
		*to, err = parseSignal(s)
		return err
	})
}

func (p *policyText) action(to *qos.Rung) value {
	return p.value("action", &schema{Type: "string", Enum: actionNames()}, func(s string) (err error) {
		*to, err = parseAction(s)
		return err
	})
}
