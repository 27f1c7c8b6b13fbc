package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a configuration file; real ones have a few KB.
const maxFile = 1 << 20

// document is one YAML file on its way into typed values. It collects faults
// and remembers where each value stood, so that what is found out later is
// reported at its place too.
type document struct {
	name   string
	places map[string]*yaml.Node
	faults Errors
}

// field is a key that a mapping may have.
type field struct {
	name string
	// take is shown the value and its full path.
	take func(n *yaml.Node, path string)
	// retired: it is only there to say what to write instead.
	retired bool
}

// open parses data, which is called name. The node is nil when there is
// nothing in it, or nothing that can be parsed.
func open(name string, data []byte) (*document, *yaml.Node) {
	d := &document{name: name, places: map[string]*yaml.Node{}}
	if len(data) > maxFile {
		d.fault(nil, "", fmt.Sprintf("is more than %d bytes long", maxFile), nil)
		return d, nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		d.syntax(err)
		return d, nil
	}
	if len(docs) == 0 {
		return d, nil
	}
	for i := range docs[1:] {
		d.fault(&docs[i+1], "", "a second document, only one is allowed", nil)
	}
	if len(docs[0].Content) == 0 {
		return d, nil
	}
	return d, docs[0].Content[0]
}

// syntax reports what the parser says.
func (d *document) syntax(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.fault(nil, "", err.Error(), err)
		return
	}
	reason := strings.TrimPrefix(load.Message, "yaml: ")
	if load.ContextMsg != "" {
		reason = load.ContextMsg + ": " + reason
	}
	d.faults = append(d.faults, &Error{
		Where: d.name, Line: load.Mark.Line, Column: load.Mark.Column,
		Reason: "not valid YAML: " + reason, Err: err,
	})
}

// fault records what is wrong with the value at n.
func (d *document) fault(n *yaml.Node, key, reason string, err error) {
	f := &Error{Where: d.name, Key: key, Reason: reason, Err: err}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	d.faults = append(d.faults, f)
}

// faultAt records what is wrong with the value of that path, at its place or,
// where it was not written, at that of what it would be part of.
func (d *document) faultAt(path, reason string, err error) {
	at := path
	for at != "" && d.places[at] == nil {
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	d.fault(d.places[at], path, reason, err)
}

// mapping takes the fields of n. A key without anything below it, as where all
// of a section is commented out, is an empty mapping.
func (d *document) mapping(n *yaml.Node, path string, fields []field) {
	d.places[path] = n
	if !d.plain(n, path) || isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, describe(n)+", where settings (key: value) are expected", nil)
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fault(key, path, describe(key)+", where a key is expected", nil)
			continue
		}
		full := join(path, key.Value)
		if first := seen[key.Value]; first != nil {
			d.fault(key, full, fmt.Sprintf("is set a second time, after line %d", first.Line), nil)
			continue
		}
		seen[key.Value] = key
		if f := find(fields, key.Value); f != nil {
			d.places[full] = value
			f.take(value, full)
			continue
		}
		d.fault(key, full, "unknown key"+Suggest(key.Value, names(fields)), nil)
	}
}

// sequence takes the elements of n.
func (d *document) sequence(n *yaml.Node, path string, take func(n *yaml.Node, path string)) {
	d.places[path] = n
	if !d.plain(n, path) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, describe(n)+", where a list is expected", nil)
		return
	}
	for i, e := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = e
		take(e, at)
	}
}

// scalar is the text of n. Its YAML type does not matter, so that 5 and "5",
// no and "no" are the same; whoever asks parses it.
func (d *document) scalar(n *yaml.Node, path string) (string, bool) {
	switch {
	case !d.plain(n, path):
		return "", false
	case isNull(n):
		d.fault(n, path, `has no value (write "" for an empty one)`, nil)
		return "", false
	case n.Kind != yaml.ScalarNode:
		d.fault(n, path, describe(n)+", where one value is expected", nil)
		return "", false
	}
	return n.Value, true
}

// text parses the value of n with set.
func (d *document) text(n *yaml.Node, path string, set func(string) error) {
	if s, ok := d.scalar(n, path); ok {
		if err := set(s); err != nil {
			d.fault(n, path, err.Error(), err)
		}
	}
}

// plain refuses what hides a value behind something else.
func (d *document) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n, path, "anchors and aliases are not supported", nil)
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n, path, fmt.Sprintf("tag %s is not supported", n.Tag), nil)
	default:
		return true
	}
	return false
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// describe says what stands there, for a message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "settings (key: value)"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("the value %q", n.Value)
	default:
		return "something else"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func names(fields []field) []string {
	out := make([]string, 0, len(fields))
	for i := range fields {
		if !fields[i].retired {
			out = append(out, fields[i].name)
		}
	}
	return out
}
