package resources

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/estimatord/estimatord/internal/printable"
)

// ErrInvalid is the class of all errors of Parse.
var ErrInvalid = errors.New("invalid resources")

// Error says which entry Parse refuses. Reason never repeats what is in the
// entry, for whoever must not show it.
type Error struct {
	// Entry counts from 1.
	Entry  int
	Text   string
	Reason string
}

// Error quotes the entry.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s: %s", ErrInvalid, printable.Quote(e.Text), e.Reason)
}

// Is makes every Error an ErrInvalid.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// space is what the agent trims from names and roles (stout/strings.hpp).
const space = " \t\n\r"

// Parse reads amounts that can be offered as revocable from what the agent's
// --resources takes: a JSON array of Resource messages, else text such as
// "cpus:4;mem:1024" (src/common/resources.cpp, Resources::parse). As the agent
// does, it adds up what has one name and drops zeros.
//
// What the agent takes and nobody can be offered as revocable is refused as
// well: ranges and sets, reservations, disk sources, and gpus, since an agent
// that has any is hidden from every framework without the GPU capability
// (src/master/allocator/mesos/hierarchical.hpp:385). There is no text form for
// revocable resources: "cpus{REV}:1" is a resource of that very name.
func Parse(text string) (Quantities, error) {
	var q Quantities
	err := eachEntry(text, anyRole, func(e Entry) error {
		if err := e.lendable(q.Get(e.Name)); err != nil {
			return err
		}
		if e.Amount > 0 {
			q.Add(e.Name, e.Amount)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// eachEntry calls take with each entry of text, in order, up to the first that is
// refused.
func eachEntry(text, defaultRole string, take func(Entry) error) error {
	var array []json.RawMessage
	parse, entries := parseText, strings.Split(text, ";")
	// The agent reads as text whatever is not one whole JSON array.
	if err := json.Unmarshal([]byte(text), &array); err == nil && array != nil {
		parse, entries = parseJSON, nil
		for _, e := range array {
			entries = append(entries, string(e))
		}
	}
	for i, entry := range entries {
		if entry == "" {
			continue
		}
		e, err := parse(entry, defaultRole)
		if err == nil && e.Name == "" {
			err = errors.New("empty resource name")
		}
		if err == nil {
			err = take(e)
		}
		if err != nil {
			return &Error{Entry: i + 1, Text: entry, Reason: err.Error()}
		}
	}
	return nil
}

var errSum = errors.New("the amounts add up to more than a scalar can hold")

// lendable says why e cannot be offered as revocable beside what there is already
// of its name.
func (e *Entry) lendable(before Milli) error {
	switch {
	case e.Disk != nil:
		return errors.New("it is tied to a disk source or volume")
	case e.Role != anyRole:
		return errors.New("it is reserved to a role, and only unreserved scalars can be offered as revocable")
	case e.Type != Scalar:
		return fmt.Errorf("it is of type %s, and only unreserved scalars can be offered as revocable", e.Type)
	case e.Amount+before < 0:
		return errSum
	case e.Name == "gpus" && e.Amount > 0:
		return errors.New("gpus would hide the agent from all frameworks that do not use GPUs")
	}
	return nil
}

// parseText reads "name(role):value" (src/common/resources.cpp:775). Runs of
// colons count as one, and blanks within a value as none, like there.
func parseText(entry, defaultRole string) (e Entry, err error) {
	parts := slices.DeleteFunc(strings.Split(entry, ":"), func(s string) bool { return s == "" })
	if len(parts) != 2 {
		return e, errors.New("missing or extra ':'")
	}
	name, role, value := parts[0], defaultRole, strings.ReplaceAll(parts[1], " ", "")
	if open := strings.IndexByte(name, '('); open >= 0 {
		end := strings.IndexByte(name, ')')
		if end < open {
			return e, errors.New("mismatched parentheses")
		}
		name, role = name[:open], strings.Trim(name[open+1:end], space)
	}
	if value == "" {
		return e, errors.New("expecting a non-empty value")
	}
	e = Entry{Name: strings.Trim(name, space), Role: role}
	if err := checkRole(role); err != nil {
		return e, err
	}
	err = e.value(value)
	return e, err
}

// inJSON are the fields of a Resource message that no agent takes with
// --resources, with the reason.
var inJSON = []struct{ key, reason string }{
	{"reservation", "dynamic reservations are not allowed here"},
	{"revocable", "revocable resources are not allowed here"},
	{"shared", "only persistent volumes can be shared, and those are not allowed here"},
	{"provider_id", "it belongs to a resource provider"},
	{"allocation_info", "it is allocated to a role"},
}

// parseJSON reads one Resource message. Unknown keys are ignored, known ones
// are case-sensitive and must have the right type (stout/protobuf.hpp, parse).
func parseJSON(entry, defaultRole string) (e Entry, err error) {
	var m message
	if err := json.Unmarshal([]byte(entry), &m); err != nil || m == nil {
		return e, errors.New("expecting an object")
	}
	for _, f := range inJSON {
		if m[f.key] != nil {
			return e, errors.New(f.reason)
		}
	}
	var disk message
	var reservations []message
	e.Role = defaultRole
	if err := cmp.Or(m.required("name", &e.Name), m.required("type", &e.Type), m.field("role", &e.Role), m.field("reservations", &reservations), m.field("disk", &disk)); err != nil {
		return e, err
	}
	if disk["persistence"] != nil || disk["volume"] != nil {
		return e, errors.New("persistent volumes are not allowed here")
	}
	e.Disk = m["disk"]
	for _, r := range reservations {
		var kind string
		if err := cmp.Or(r.required("type", &kind), r.required("role", &e.Role)); err != nil {
			return e, err
		}
		if kind != "STATIC" || len(reservations) > 1 {
			return e, errors.New("dynamic reservations are not allowed here, and a refined one must be DYNAMIC")
		}
		if e.Role == anyRole {
			return e, errors.New(`role "*" cannot have a reservation`)
		}
	}
	if err := checkRole(e.Role); err != nil {
		return e, err
	}
	err = e.message(m)
	return e, err
}

// message reads the value of a JSON entry.
func (e *Entry) message(m message) error {
	key := strings.ToLower(e.Type)
	if !slices.Contains([]string{Scalar, Ranges, Set}, e.Type) {
		return errors.New("unsupported resource type")
	}
	values := 0
	for _, k := range []string{"scalar", "ranges", "set"} {
		if m[k] != nil {
			values++
		}
	}
	if m[key] == nil || values > 1 {
		return fmt.Errorf("the type %s and the value that is given do not go together", e.Type)
	}
	// The agent also takes a number as a string (stout/protobuf.hpp).
	var in message
	var scalar json.Number
	var spans []struct{ Begin, End json.Number }
	var items []string
	if err := m.field(key, &in); err != nil {
		return err
	}
	switch e.Type {
	case Ranges:
		if err := in.field("range", &spans); err != nil {
			return err
		}
		for _, s := range spans {
			if err := e.span(s.Begin.String(), s.End.String()); err != nil {
				return err
			}
		}
		e.Ranges = coalesce(e.Ranges)
		return nil
	case Set:
		if err := in.field("item", &items); err != nil {
			return err
		}
		return e.items(items)
	}
	err := in.required("value", &scalar)
	if err == nil {
		e.Amount, err = parseScalar(scalar.String())
	}
	return err
}

// message is one JSON object that stands for a protobuf message.
type message map[string]json.RawMessage

// field reads a field, if there is one. JSON null is no value of any type.
func (m message) field(key string, to any) error {
	text, ok := m[key]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil || string(text) == "null" {
		return fmt.Errorf("%q has a value of the wrong type", key)
	}
	return nil
}

func (m message) required(key string, to any) error {
	if m[key] == nil {
		return fmt.Errorf("missing %q", key)
	}
	return m.field(key, to)
}

func checkRole(role string) error {
	if err := CheckRole(role); err != nil {
		return fmt.Errorf("its role %w", err)
	}
	return nil
}

// parseScalar reads a decimal number as the agent does (boost::lexical_cast).
//
// The agent converts the text to the nearest double and that to thousandths
// with llround(value · 1000) (src/common/values.cpp, convertToFixed). The
// product is a double too, so a decimal half may go either way: 1.5015 becomes
// 1.502, but 0.5005 becomes 0.5. To get the agent's number for every input,
// this takes the same two steps on doubles: strconv and the C library round to
// the nearest alike, and so does the product.
func parseScalar(text string) (Milli, error) {
	v, err := strconv.ParseFloat(text, 64)
	// Not the other forms that strconv knows: hexadecimal, underscores, words.
	if err != nil || v < 0 || strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, errors.New("expecting a decimal number of zero or more")
	}
	m, ok := FromWire(v)
	switch {
	case !ok:
		return 0, errors.New("out of the range of a scalar")
	case m == 0 && v != 0:
		// The agent refuses these too (src/common/resources.cpp:838, validate).
		return 0, errors.New("rounds to zero, a scalar has three decimals")
	}
	return m, nil
}
