package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// key is one row of the table of a document, bound to the variable that it
// sets. Loading, flags, environment variables, the schema and the tables in
// docs/reference come from these rows.
type key struct {
	name string
	// help says what it means, in one sentence without a full stop.
	help string
	value
	// def is the default where it is not what the variable has.
	def      string
	required bool
	// flag: a setting that has a flag. What is tuned once and kept belongs into
	// the file. notInFile: it says where the file is.
	flag, notInFile bool
}

// schema is a part of a JSON Schema, draft 2020-12.
type schema = map[string]any

// value is how what stands behind a key is read, and what can stand there.
type value struct {
	// form says what it looks like, shape the same for a schema.
	form  string
	shape schema
	// set gives the variable the value of a text, and of a list one more element
	// after clear has emptied it. show is the text that set would take.
	set   func(text string) error
	clear func()
	show  func() string
	// below are the keys of a section or, where each is set, those of each
	// element of a list. each takes one.
	below []key
	each  func(d *document, at place)
}

// choices are what the value can be, or its elements, nil when there are
// others.
func (v *value) choices() []string {
	of := v.shape
	if elements, ok := of["items"].(schema); ok {
		of = elements
	}
	words, _ := of["enum"].([]string)
	return words
}

// walk calls visit for each key that has a value, in order, with its full path.
func walk(keys []key, path string, visit func(path string, k *key)) {
	for i := range keys {
		k := &keys[i]
		if full := join(path, k.name); k.below != nil && k.each == nil {
			walk(k.below, full, visit)
		} else {
			visit(full, k)
		}
	}
}

func names(keys []key) []string {
	var all []string
	for i := range keys {
		if !keys[i].notInFile {
			all = append(all, keys[i].name)
		}
	}
	return all
}

func find(keys []key, name string) *key {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &keys[i]
}

func section(keys ...key) value {
	return value{form: "section", shape: schema{"type": "object"}, below: keys}
}

// sections is a list of sections with those keys.
func sections(keys []key, each func(d *document, at place)) value {
	return value{form: "list of sections", shape: schema{"type": "array"}, below: keys, each: each}
}

// scalar is a value of one text.
func scalar[T any](to *T, form string, shape schema, parse func(string) (T, error), show func(T) string) value {
	return value{
		form: form, shape: shape,
		set: func(s string) error {
			v, err := parse(s)
			if err == nil {
				*to = v
			}
			return err
		},
		show: func() string { return show(*to) },
	}
}

// text takes what check lets through; pattern is the same for editors, as far
// as it can be.
func text(to *string, form, pattern string, check func(string) error) value {
	shape := schema{"type": "string"}
	if pattern != "" {
		shape["pattern"] = pattern
	}
	return scalar(to, form, shape, func(s string) (string, error) { return s, check(s) }, func(s string) string { return s })
}

func choice[T ~string](to *T, of ...T) value {
	words := make([]string, len(of))
	for i, w := range of {
		words[i] = string(w)
	}
	parse := func(s string) (T, error) { return T(s), oneOf(s, words, "|") }
	return scalar(to, strings.Join(words, "|"), schema{"type": "string", "enum": words}, parse, func(v T) string { return string(v) })
}

func boolean(to *bool) value {
	return scalar(to, "true|false", schema{"type": "boolean"}, parseBool, func(v bool) string {
		if v {
			return "true"
		}
		return "false"
	})
}

// durationPattern is Go's notation, as far as a schema can check it.
const durationPattern = `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`

// duration takes Go's notation, between least and most.
func duration(to *time.Duration, least, most time.Duration) value {
	parse := func(s string) (time.Duration, error) { return parseDuration(s, least, most) }
	return scalar(to, "duration", schema{"type": "string", "pattern": durationPattern}, parse, shortDuration)
}

// whole takes whole numbers between least and most.
func whole(to *int, form string, least, most int) value {
	parse := func(s string) (int, error) { return parseWhole(s, least, most) }
	return scalar(to, form, schema{"type": "integer", "minimum": least, "maximum": most}, parse, func(n int) string { return printNumber(float64(n)) })
}

// number takes finite numbers between least and most.
func number(to *float64, least, most float64) value {
	parse := func(s string) (float64, error) { return parseNumber(s, least, most) }
	return scalar(to, "number", schema{"type": "number", "minimum": least, "maximum": most}, parse, printNumber)
}

// share takes a part of one as a number or in percent, and shows percents.
func share(to *float64, least, most float64) value {
	parse := func(s string) (float64, error) { return parseShare(s, least, most) }
	return scalar(to, "share", schema{"oneOf": []schema{{"type": "number", "minimum": least, "maximum": most}, {"type": "string", "pattern": "^[0-9.]+ *%$"}}}, parse, printShare)
}

// amounts takes Mesos resource text or JSON of resources that there are.
func amounts(to *resources.Quantities) value {
	return scalar(to, "resources", schema{"type": "string"}, parseAmounts, resources.Quantities.String)
}

// list takes texts that check lets through, each once. Outside of a file they
// are separated by commas.
func list(to *[]string, check func(string) error) value {
	return value{
		form: "list", shape: schema{"type": "array", "items": schema{"type": "string", "minLength": 1}},
		clear: func() { *to = nil },
		set: func(s string) error {
			err := check(s)
			switch {
			case err != nil:
				return err
			case slices.Contains(*to, s):
				return fmt.Errorf("%s is listed twice", quote(s))
			}
			*to = append(*to, s)
			return nil
		},
		show: func() string { return strings.Join(*to, ",") },
	}
}

// words takes a list of some of those words.
func words(to *[]string, of ...string) value {
	v := list(to, func(s string) error { return oneOf(s, of, ", ") })
	v.shape["items"] = schema{"type": "string", "enum": of}
	return v
}

// unlimited is the upper limit of a number that has none.
const unlimited = math.MaxFloat64
