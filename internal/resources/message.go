package resources

import (
	"encoding/json"
	"fmt"
)

// presence says whether a field of a message must be there.
type presence uint8

const (
	optional presence = iota
	required
)

// message is one JSON object that stands for a protobuf message. The first
// fault is kept, at the outermost message, so that fields can be read one after
// the other. The zero value is an absent message: everything in it is absent,
// required or not.
type message struct {
	fields map[string]any
	outer  *message
	err    error
}

// present reports whether there is such a message.
func (m *message) present() bool { return m.fields != nil }

// has reports whether the field is given.
func (m *message) has(key string) bool {
	_, ok := m.fields[key]
	return ok
}

// fail keeps the first fault.
func (m *message) fail(format string, args ...any) {
	m.keep(fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, args...)))
}

func (m *message) keep(err error) {
	for m.outer != nil {
		m = m.outer
	}
	if m.err == nil {
		m.err = err
	}
}

// failure is the first fault.
func (m *message) failure() error { return m.err }

// field returns the value of a field, nil when it is absent or m is. JSON null
// is no value of any type.
func (m *message) field(key string, p presence) any {
	v, ok := m.fields[key]
	switch {
	case !ok && p == required && m.present():
		m.fail("missing %q", key)
	case ok && v == nil:
		m.fail("%q is null", key)
	}
	return v
}

// mistyped keeps that the field has a value of the wrong type.
func (m *message) mistyped(key, want string, got any) {
	text, err := json.Marshal(got)
	if err != nil {
		text = []byte("something else")
	}
	const most = 60
	if len(text) > most {
		text = append(text[:most], "..."...)
	}
	m.fail("%q must be %s, not %s", key, want, text)
}

func (m *message) text(key string, p presence) string {
	v := m.field(key, p)
	s, ok := v.(string)
	if v != nil && !ok {
		m.mistyped(key, "a string", v)
	}
	return s
}

// object returns the message in a field, which is absent when the field is.
func (m *message) object(key string) *message {
	v := m.field(key, optional)
	fields, ok := v.(map[string]any)
	if v != nil && !ok {
		m.mistyped(key, "an object", v)
	}
	return &message{fields: fields, outer: m}
}

// list returns the elements of a repeated field.
func (m *message) list(key string) []any {
	v := m.field(key, optional)
	list, ok := v.([]any)
	if v != nil && !ok {
		m.mistyped(key, "an array", v)
	}
	return list
}

func (m *message) objects(key string) []*message {
	var out []*message
	for _, v := range m.list(key) {
		fields, ok := v.(map[string]any)
		if !ok {
			m.mistyped(key, "an array of objects", v)
			return nil
		}
		out = append(out, &message{fields: fields, outer: m})
	}
	return out
}

func (m *message) texts(key string) []string {
	var out []string
	for _, v := range m.list(key) {
		s, ok := v.(string)
		if !ok {
			m.mistyped(key, "an array of strings", v)
			return nil
		}
		out = append(out, s)
	}
	return out
}

// number returns the text of a number, which the agent also takes as a string
// (stout/protobuf.hpp).
func (m *message) number(key string) (text string, ok bool) {
	switch v := m.field(key, required).(type) {
	case nil:
		return "", false
	case json.Number:
		return v.String(), true
	case string:
		return v, true
	default:
		m.mistyped(key, "a number", v)
		return "", false
	}
}

// scalar reads a double as thousandths. Here, unlike in text, a negative or an
// infinite number is read as such, and refused as a value that is not above
// zero.
func (m *message) scalar(key string) Milli {
	text, ok := m.number(key)
	if !ok {
		return 0
	}
	v, ok := parseDouble(text)
	if !ok {
		m.fail("%q is no number of zero or more", text)
		return 0
	}
	amount, err := fixed(v, text)
	if err != nil {
		m.keep(err)
	}
	return amount
}

// whole reads an unsigned number. The agent cuts a fraction off and lets a
// negative number wrap around; both are errors here.
func (m *message) whole(key string) uint64 {
	text, ok := m.number(key)
	if !ok {
		return 0
	}
	n, err := parseWhole(text)
	if err != nil {
		m.keep(err)
	}
	return n
}
