package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const (
	schemaFile         = "../../configs/policy.schema.json"
	settingsSchemaFile = "../../configs/settings.schema.json"
)

// The schemas in configs/ are those of the tables.
func TestSchemaFiles(t *testing.T) {
	for path, schemaOf := range map[string]func() ([]byte, error){schemaFile: policySchema, settingsSchemaFile: settingsSchema} {
		want, err := schemaOf()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err == nil && string(got) == string(want) {
			continue
		}
		if os.Getenv("UPDATE_DOCS") == "" {
			t.Fatalf("%s is not what the tables say (%v); run UPDATE_DOCS=1 go test ./internal/config", path, err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The example is what an editor takes, and most of what the daemon refuses an
// editor refuses too.
func TestSettingsSchemaAgreesWithTheParser(t *testing.T) {
	schema := readSchema(t, settingsSchemaFile)
	for _, path := range []string{
		exampleConfig, "testdata/bad-unknown-key.yaml", "testdata/bad-unknown-mode.yaml", "testdata/bad-number-negative.yaml",
		"testdata/bad-unknown-predictor.yaml", "testdata/bad-unknown-section.yaml", "testdata/bad-value-for-list.yaml", "testdata/bad-duration-without-unit.yaml",
	} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if faults := conform(t, schema, string(data)); (len(faults) == 0) != (path == exampleConfig) {
			t.Errorf("%s: the schema says %q", path, faults)
		}
	}
}

func readSchema(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// notForSchemas are the faults that a schema cannot see: they need two values
// at once, or more than JSON Schema has.
var notForSchemas = []string{
	"same-name", "clear-above-above", "freeze-not-allowed", "hook-command-relative", "hook-deadline", "never-matches",
}

// Editors refuse what the daemon refuses, as far as a schema can, and take what
// it takes.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	schema := readSchema(t, schemaFile)
	paths, err := filepath.Glob("testdata/bad-policy-*.yaml")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "bad-policy-"), ".yaml")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		faults := conform(t, schema, string(data))
		if refused := len(faults) > 0; refused == slices.Contains(notForSchemas, name) {
			t.Errorf("%s: the schema says %q", name, faults)
		}
	}
	example, err := os.ReadFile(examplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]string{
		"example": string(example), "uncommented": uncommented(string(example)), "whole": wholePolicy,
		"short": "rules: [{name: a, signal: node_cpu}]",
	} {
		parsePolicy(t, good)
		if faults := conform(t, schema, good); len(faults) > 0 {
			t.Errorf("%s: the schema says %q", name, faults)
		}
	}
}

// limitsOf are the limits of each setting that has some, with what is just
// beyond them. qos and the parser must agree.
var limitsOf = []struct{ key, least, most, below, above string }{
	{"ladder: {dwell: %s}", "0s", "24h", "-1ns", "24h1ns"},
	{"ladder: {floor: %s}", "0.01", "1024", "0.0099", "1024.1"},
	{"ladder: {loosen: %s}", "0.01", "10", "0.0099", "10.1"},
	{"ladder: {freeze_for: %s}", "0s", "10m", "-1ns", "10m1ns"},
	{"ladder: {kills_at_once: %s}", "1", "1000", "0", "1001"},
	{"ladder: {ignored_after: %s}", "1s", "24h", "999ms", "24h1ns"},
	{"budget: {kills: %s}", "1", "1000", "0", "1001"},
	{"budget: {per: %s}", "1m", "24h", "59s", "24h1ns"},
	{"victims: {min_age: %s}", "0s", "24h", "-1ns", "24h1ns"},
	{"victims: {min_usage: %s}", "0", "1024", "-0.1", "1024.1"},
	{"victims: {priorities: [{role: a, priority: %s}]}", "-1000", "1000", "-1001", "1001"},
	{"hook: {socket: /a, deadline: %s}", "100ms", "30s", "99ms", "30s1ns"},
}

func TestLimits(t *testing.T) {
	schema := readSchema(t, schemaFile)
	try := func(format, value string, good bool) {
		t.Helper()
		text := "rules: [{name: a, signal: node_cpu}]\n" + fmt.Sprintf(format, value)
		if _, err := ParsePolicy("p", []byte(text)); (err == nil) != good {
			t.Errorf("%s: the parser says %v", fmt.Sprintf(format, value), err)
		}
		if strings.HasSuffix(value, "s") || strings.HasSuffix(value, "m") || strings.HasSuffix(value, "h") {
			return // a schema knows no order of durations
		}
		if faults := conform(t, schema, text); (len(faults) == 0) != good {
			t.Errorf("%s: the schema says %q", fmt.Sprintf(format, value), faults)
		}
	}
	for _, l := range limitsOf {
		try(l.key, l.least, true)
		try(l.key, l.most, true)
		try(l.key, l.below, false)
		try(l.key, l.above, false)
	}
}

// conform validates text against the keywords that schema.go writes, and fails
// on any other: what it does not know it cannot check.
func conform(t *testing.T, schema map[string]any, text string) []string {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	c := &conformity{t: t}
	c.check(schema, v, "")
	return c.faults
}

type conformity struct {
	t      *testing.T
	faults []string
}

func (c *conformity) sub(schema any, v any) bool {
	s := &conformity{t: c.t}
	s.check(schema.(map[string]any), v, "")
	return len(s.faults) == 0
}

func (c *conformity) check(schema map[string]any, v any, at string) {
	bad := func(format string, args ...any) { c.faults = append(c.faults, at+": "+fmt.Sprintf(format, args...)) }
	n, isNumber := asNumber(v)
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	for key, want := range schema {
		w, _ := want.(float64)
		switch key {
		case "$schema", "$id", "title", "description", "then":
		case "type":
			ok := map[any]bool{
				"object": isObject, "array": isList, "string": isText, "boolean": v == true || v == false,
				"number": isNumber, "integer": isNumber && n == math.Trunc(n),
			}
			if !ok[want] {
				bad("%v is no %v", v, want)
			}
		case "const":
			if v != want {
				bad("%v is not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("%v is none of %v", v, want)
			}
		case "pattern":
			if isText && !regexp.MustCompile(want.(string)).MatchString(text) {
				bad("%q does not match %v", text, want)
			}
		case "minLength":
			if isText && float64(len(text)) < w {
				bad("%q is too short", text)
			}
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
			ok := map[string]bool{"minimum": n >= w, "maximum": n <= w, "exclusiveMinimum": n > w, "exclusiveMaximum": n < w}
			if isNumber && !ok[key] {
				bad("%v against %s %v", v, key, w)
			}
		case "minItems":
			if isList && float64(len(list)) < w {
				bad("%d elements", len(list))
			}
		case "items":
			for i, e := range list {
				c.check(want.(map[string]any), e, fmt.Sprintf("%s[%d]", at, i))
			}
		case "properties":
			for name, s := range want.(map[string]any) {
				if e, ok := object[name]; ok {
					c.check(s.(map[string]any), e, at+"."+name)
				}
			}
		case "additionalProperties":
			known, _ := schema["properties"].(map[string]any)
			for name := range object {
				if _, ok := known[name]; !ok && want == false {
					bad("%s is unknown", name)
				}
			}
		case "required":
			for _, name := range want.([]any) {
				if _, ok := object[name.(string)]; isObject && !ok {
					bad("%v is missing", name)
				}
			}
		case "oneOf":
			fit := 0
			for _, s := range want.([]any) {
				if c.sub(s, v) {
					fit++
				}
			}
			if fit != 1 {
				bad("%d of oneOf fit", fit)
			}
		case "allOf":
			for _, s := range want.([]any) {
				c.check(s.(map[string]any), v, at)
			}
		case "if":
			if c.sub(want, v) {
				c.check(schema["then"].(map[string]any), v, at)
			}
		default:
			c.t.Fatalf("schema keyword %s is not checked here", key)
		}
	}
}

func asNumber(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
