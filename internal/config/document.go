package config

import (
	"errors"
	"fmt"
	"regexp"
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

// place is a value in a document, with its full path.
type place struct {
	node *yaml.Node
	path string
}

// open parses data, which is called name, and gives the variables of keys what
// it says.
func (d *document) open(name string, data []byte, keys []key) {
	d.name, d.places = name, map[string]*yaml.Node{}
	if root := d.root(data); root != nil {
		d.mapping(place{root, ""}, keys)
	}
}

// root is nil when there is nothing in data, or nothing that can be parsed.
func (d *document) root(data []byte) *yaml.Node {
	if len(data) > maxFile {
		d.fault(place{}, fmt.Sprintf("is more than %d bytes long", maxFile), nil)
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		d.syntax(data, err)
		return nil
	}
	for i := range docs {
		if i > 0 {
			d.fault(place{node: &docs[i]}, "a second document, only one is allowed", nil)
		}
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 {
		return nil
	}
	return docs[0].Content[0]
}

// tabbed is a line with a tab in its indentation.
var tabbed = regexp.MustCompile(`^ *\t`)

// syntax reports what the parser says.
func (d *document) syntax(data []byte, err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.fault(place{}, err.Error(), err)
		return
	}
	reason := strings.TrimPrefix(load.Message, "yaml: ")
	lines := strings.Split(string(data), "\n")
	switch line := load.Mark.Line; {
	case line > 0 && line <= len(lines) && tabbed.MatchString(lines[line-1]):
		reason = "the line is indented with a tab, YAML takes blanks only"
	case load.ContextMsg != "":
		reason = load.ContextMsg + ": " + reason
	}
	d.faults = append(d.faults, &Error{
		Where: d.name, Line: load.Mark.Line, Column: load.Mark.Column,
		Reason: "not valid YAML: " + reason, Err: err,
	})
}

// fault records what is wrong with the value there.
func (d *document) fault(at place, reason string, err error) {
	f := &Error{Where: d.name, Key: at.path, Reason: reason, Err: err}
	if at.node != nil {
		f.Line, f.Column = at.node.Line, at.node.Column
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
	d.fault(place{d.places[at], path}, reason, err)
}

// take gives the variable of v what stands there.
func (d *document) take(v *value, at place) {
	switch {
	case v.each != nil:
		d.sequence(at, func(e place) { v.each(d, e) })
	case v.below != nil:
		d.mapping(at, v.below)
	case v.clear != nil:
		v.clear()
		d.sequence(at, func(e place) { d.scalar(e, v.set) })
	default:
		d.scalar(at, v.set)
	}
}

// mapping takes the keys of a section. A section without anything below it, as
// where all of it is commented out, is an empty one.
func (d *document) mapping(at place, keys []key) {
	d.places[at.path] = at.node
	if !d.plain(at) || isNull(at.node) {
		return
	}
	if at.node.Kind != yaml.MappingNode {
		d.fault(at, describe(at.node)+", where settings (key: value) are expected", nil)
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(at.node.Content); i += 2 {
		name, value := at.node.Content[i], at.node.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			d.fault(place{name, at.path}, describe(name)+", where a key is expected", nil)
			continue
		}
		full := join(at.path, word(name.Value))
		if first := seen[name.Value]; first != nil {
			d.fault(place{name, full}, fmt.Sprintf("is set a second time, after line %d", first.Line), nil)
			continue
		}
		seen[name.Value] = name
		if k := find(keys, name.Value); k != nil && !k.notInFile {
			d.places[full] = value
			d.take(&k.value, place{value, full})
			continue
		}
		d.fault(place{name, full}, "unknown key"+Suggest(name.Value, names(keys)), nil)
	}
	for i := range keys {
		if k := &keys[i]; k.required && at.path != "" && seen[k.name] == nil {
			d.fault(place{at.node, join(at.path, k.name)}, "is missing", nil)
		}
	}
}

// word is a key as a message can show it.
func word(s string) string {
	if q := quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// sequence takes the elements of a list.
func (d *document) sequence(at place, take func(place)) {
	d.places[at.path] = at.node
	if !d.plain(at) {
		return
	}
	if at.node.Kind != yaml.SequenceNode {
		d.fault(at, describe(at.node)+", where a list is expected", nil)
		return
	}
	for i, e := range at.node.Content {
		path := fmt.Sprintf("%s[%d]", at.path, i)
		d.places[path] = e
		take(place{e, path})
	}
}

// scalar shows set the text of one value. Its YAML type does not matter, so
// that 5 and "5", no and "no" are the same.
func (d *document) scalar(at place, set func(string) error) {
	switch {
	case !d.plain(at):
	case isNull(at.node):
		d.fault(at, `has no value (write "" for an empty one)`, nil)
	case at.node.Kind != yaml.ScalarNode:
		d.fault(at, describe(at.node)+", where one value is expected", nil)
	default:
		if err := set(at.node.Value); err != nil {
			d.fault(at, err.Error(), err)
		}
	}
}

// plain refuses what hides a value behind something else.
func (d *document) plain(at place) bool {
	switch n := at.node; {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(at, "anchors and aliases are not supported", nil)
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(at, fmt.Sprintf("tag %s is not supported", n.Tag), nil)
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
		return "the value " + quote(n.Value)
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
