package resources

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Entry is one resource as an agent is given it with --resources.
type Entry struct {
	Name string
	// Role is whom it is reserved to, "*" for nobody.
	Role string
	// Type is Scalar, Ranges or Set; the field that goes with it has the value.
	Type   string
	Amount Milli
	// Ranges are sorted and do not touch.
	Ranges []Range
	Items  []string
	// Disk is where a disk resource is, as JSON; nil for the agent's work directory.
	Disk json.RawMessage
}

// The types of a resource.
const (
	Scalar = "SCALAR"
	Ranges = "RANGES"
	Set    = "SET"
)

// Range is from Begin to End, both included.
type Range struct {
	Begin uint64 `json:"begin"`
	End   uint64 `json:"end"`
}

// ParseEntries reads all that the agent's --resources takes, as the agent does:
// a JSON array of Resource messages, else text. What names no role is reserved to
// defaultRole. Entries of one name and role are added up, and of one name all have
// one type. Zeros are kept: the agent asks the host for nothing that is named
// (src/slave/containerizer/containerizer.cpp:77).
func ParseEntries(text, defaultRole string) ([]Entry, error) {
	var out []Entry
	err := eachEntry(text, defaultRole, func(e Entry) error {
		for i := range out {
			if out[i].Name == e.Name && out[i].Type != e.Type {
				return fmt.Errorf("%s is of type %s before", strconv.Quote(e.Name), out[i].Type)
			}
		}
		i := slices.IndexFunc(out, func(o Entry) bool { return o.Name == e.Name && o.Role == e.Role && o.Disk == nil && e.Disk == nil })
		if i < 0 {
			out = append(out, e)
			return nil
		}
		return out[i].merge(e)
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Role, b.Role)) })
	return out, nil
}

// merge adds o, which is of the same name, role and type.
func (e *Entry) merge(o Entry) error {
	if e.Amount+o.Amount < 0 {
		return errSum
	}
	e.Amount += o.Amount
	e.Ranges = coalesce(append(e.Ranges, o.Ranges...))
	for _, item := range o.Items {
		if !slices.Contains(e.Items, item) {
			e.Items = append(e.Items, item)
		}
	}
	return nil
}

// Value is the value alone, as resource text has it.
func (e *Entry) Value() string {
	switch e.Type {
	case Ranges:
		var parts []string
		for _, r := range e.Ranges {
			parts = append(parts, fmt.Sprintf("%d-%d", r.Begin, r.End))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case Set:
		return "{" + strings.Join(e.Items, ",") + "}"
	}
	return e.Amount.String()
}

// String is e as resource text: "cpus(role):4". A disk's place has no text.
func (e *Entry) String() string {
	if e.Role == anyRole {
		return e.Name + ":" + e.Value()
	}
	return e.Name + "(" + e.Role + "):" + e.Value()
}

// MarshalJSON writes e as the Resource message that an agent takes.
func (e Entry) MarshalJSON() ([]byte, error) {
	m := map[string]any{"name": e.Name, "type": e.Type}
	switch e.Type {
	case Scalar:
		m["scalar"] = map[string]Milli{"value": e.Amount}
	case Ranges:
		m["ranges"] = map[string][]Range{"range": append([]Range{}, e.Ranges...)}
	case Set:
		m["set"] = map[string][]string{"item": append([]string{}, e.Items...)}
	}
	if e.Role != anyRole {
		m["reservations"] = []map[string]string{{"type": "STATIC", "role": e.Role}}
	}
	if e.Disk != nil {
		m["disk"] = e.Disk
	}
	return json.Marshal(m)
}

// coalesce sorts ranges and joins those that overlap or touch.
func coalesce(rs []Range) []Range {
	slices.SortFunc(rs, func(a, b Range) int { return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.End, b.End)) })
	var out []Range
	for _, r := range rs {
		if last := len(out) - 1; last >= 0 && (r.Begin <= out[last].End || r.Begin == out[last].End+1) {
			out[last].End = max(out[last].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

// value reads the value of a text entry, which has no blanks.
func (e *Entry) value(text string) (err error) {
	e.Type = Scalar
	switch text[0] {
	default:
		e.Amount, err = parseScalar(text)
		return err
	case '[':
		e.Type = Ranges
	case '{':
		e.Type = Set
	}
	if !balanced(text) {
		return errors.New("mismatched brackets")
	}
	if e.Type == Set {
		return e.items(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("{},\n", r) }))
	}
	numbers := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("[]-,\n", r) })
	if len(numbers)%2 != 0 {
		return errors.New("expecting ranges, such as [31000-32000]")
	}
	for i := 0; i < len(numbers); i += 2 {
		if err := e.span(numbers[i], numbers[i+1]); err != nil {
			return err
		}
	}
	e.Ranges = coalesce(e.Ranges)
	return nil
}

func (e *Entry) items(all []string) error {
	for _, item := range all {
		if slices.Contains(e.Items, item) {
			return errors.New("the set names an item twice")
		}
		e.Items = append(e.Items, item)
	}
	return nil
}

// span adds a range. The agent takes hexadecimal numbers as well.
func (e *Entry) span(begin, end string) error {
	var r Range
	for _, n := range []struct {
		text string
		to   *uint64
	}{{begin, &r.Begin}, {end, &r.End}} {
		digits, hex := strings.CutPrefix(strings.ToLower(n.text), "0x")
		base := 10
		if hex {
			base = 16
		}
		var err error
		if *n.to, err = strconv.ParseUint(digits, base, 64); err != nil {
			return errors.New("expecting whole numbers of zero or more in a range")
		}
	}
	if r.Begin > r.End {
		return errors.New("a range begins after its end")
	}
	e.Ranges = append(e.Ranges, r)
	return nil
}

// balanced reports whether all brackets are closed in the order they were opened.
func balanced(text string) bool {
	closes := map[rune]rune{')': '(', ']': '[', '}': '{'}
	var open []rune
	for _, c := range text {
		switch c {
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']', '}':
			last := len(open) - 1
			if last < 0 || open[last] != closes[c] {
				return false
			}
			open = open[:last]
		}
	}
	return len(open) == 0
}
