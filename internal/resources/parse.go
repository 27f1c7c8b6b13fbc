package resources

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSyntax is the class of all errors of Parse.
var ErrSyntax = errors.New("invalid resources")

// space is what the agent trims from names and roles (stout/strings.hpp).
const space = " \t\n\r"

// Parse reads resources as the agent reads its --resources: a JSON array of
// Resource messages, else text such as "cpus:4;mem:1024;ports(web):[80-90]"
// (src/common/resources.cpp, Resources::parse). What names no role belongs to
// defaultRole, "*" being nobody.
//
// As on the agent's command line, entries that are alike but for their value
// are merged, empty ones are dropped, and persistent volumes, dynamic
// reservations, revocable resources and two types under one name are refused.
// There is no text form for revocable resources: "cpus{REV}:1" is a resource
// of that very name.
func Parse(text, defaultRole string) (Resources, error) {
	entries, isJSON, err := parseJSON(text, defaultRole)
	if !isJSON {
		entries, err = parseText(text, defaultRole)
	}
	if err != nil {
		return nil, err
	}
	var rs Resources
	for i := range entries {
		if err := entries[i].check(); err != nil {
			return nil, err
		}
		if err := rs.add(entries[i]); err != nil {
			return nil, err
		}
	}
	return rs, oneKindPerName(rs)
}

// oneKindPerName refuses a name that has two types, whatever the roles
// (src/common/resources.cpp:577).
func oneKindPerName(rs Resources) error {
	kinds := make(map[string]Kind, len(rs))
	for i := range rs {
		r := &rs[i]
		if k, seen := kinds[r.Name]; seen && k != r.Kind {
			return fmt.Errorf("%w: %q is given both as %v and as %v", ErrSyntax, r.Name, k, r.Kind)
		}
		kinds[r.Name] = r.Kind
	}
	return nil
}

// parseText reads the text form, entry by entry.
func parseText(text, defaultRole string) ([]Resource, error) {
	var entries []Resource
	for entry := range strings.SplitSeq(text, ";") {
		if entry == "" {
			continue
		}
		r, err := parseEntry(entry, defaultRole)
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, entry)
		}
		entries = append(entries, r)
	}
	return entries, nil
}

// parseEntry reads "name(role):value" (src/common/resources.cpp:775).
func parseEntry(entry, defaultRole string) (Resource, error) {
	parts := fields(entry, ":")
	if len(parts) != 2 {
		return Resource{}, fmt.Errorf("%w: missing or extra ':'", ErrSyntax)
	}
	name, role := parts[0], defaultRole
	if open := strings.IndexByte(name, '('); open >= 0 {
		end := strings.IndexByte(name, ')')
		if end < open {
			return Resource{}, fmt.Errorf("%w: mismatched parentheses", ErrSyntax)
		}
		name, role = name[:open], strings.Trim(name[open+1:end], space)
	}
	r, err := parseValue(parts[1])
	if err != nil {
		return Resource{}, err
	}
	r.Name = strings.Trim(name, space)
	if role != anyRole {
		r.Reservation = &Reservation{Role: role}
	}
	return r, nil
}

// parseValue reads a scalar, ranges or a set (src/common/values.cpp:676).
func parseValue(text string) (Resource, error) {
	value := strings.ReplaceAll(text, " ", "")
	switch {
	case value == "":
		return Resource{}, fmt.Errorf("%w: expecting a non-empty value", ErrSyntax)
	case !balanced(value, '{', '}') || !balanced(value, '[', ']') || !balanced(value, '(', ')'):
		return Resource{}, fmt.Errorf("%w: mismatched brackets", ErrSyntax)
	}
	switch strings.IndexByte(value, '[') {
	case 0:
		return parseRanges(value)
	case -1:
	default:
		return Resource{}, fmt.Errorf("%w: unexpected '['", ErrSyntax)
	}
	switch strings.IndexByte(value, '{') {
	case 0:
		return Resource{Kind: Set, Set: fields(value, "{},\n")}, nil
	case -1:
		m, err := parseScalar(value)
		return Resource{Kind: Scalar, Amount: m}, err
	default:
		return Resource{}, fmt.Errorf("%w: unexpected '{'", ErrSyntax)
	}
}

func parseRanges(value string) (Resource, error) {
	bounds := fields(value, "[]-,\n")
	if len(bounds)%2 != 0 {
		return Resource{}, fmt.Errorf("%w: expecting one or more ranges \"begin-end\"", ErrSyntax)
	}
	ranges := make([]Range, 0, len(bounds)/2)
	for pair := range slices.Chunk(bounds, 2) {
		begin, err := parseWhole(pair[0])
		if err != nil {
			return Resource{}, err
		}
		end, err := parseWhole(pair[1])
		if err != nil {
			return Resource{}, err
		}
		ranges = append(ranges, Range{Begin: begin, End: end})
	}
	return Resource{Kind: Ranges, Ranges: coalesce(ranges)}, nil
}

// fields splits s at every character of seps and leaves out what is empty.
func fields(s, seps string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(seps, c) })
}

// balanced reports whether every bracket closes one that was opened before.
func balanced(s string, open, end byte) bool {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case open:
			depth++
		case end:
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}

// check refuses what the agent's validation refuses in a single entry and can
// still be said in a Resource (src/common/resources.cpp:838).
func (r *Resource) check() error {
	if r.Name == "" {
		return fmt.Errorf("%w: empty resource name in %q", ErrSyntax, r.String())
	}
	for i, a := range r.Ranges {
		if a.Begin > a.End {
			return fmt.Errorf("%w: range %d-%d of %q begins after its end", ErrSyntax, a.Begin, a.End, r.Name)
		}
		for _, b := range r.Ranges[i+1:] {
			if a.Begin <= b.End && b.Begin <= a.End {
				return fmt.Errorf("%w: ranges %d-%d and %d-%d of %q overlap", ErrSyntax, a.Begin, a.End, b.Begin, b.End, r.Name)
			}
		}
	}
	for i, item := range r.Set {
		if slices.Contains(r.Set[i+1:], item) {
			return fmt.Errorf("%w: duplicated element %q in set %q", ErrSyntax, item, r.Name)
		}
	}
	if r.Reservation != nil {
		if r.Reservation.Role == anyRole {
			return fmt.Errorf("%w: %q is reserved to role \"*\"", ErrSyntax, r.Name)
		}
		if err := checkRole(r.Reservation.Role); err != nil {
			return fmt.Errorf("%w in %q", err, r.Name)
		}
	}
	if r.Disk != nil && r.Name != "disk" {
		return fmt.Errorf("%w: disk information on %q", ErrSyntax, r.Name)
	}
	return nil
}
