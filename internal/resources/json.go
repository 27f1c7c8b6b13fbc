package resources

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// parseJSON reads the JSON form. isJSON is false when text is not one whole
// JSON array; the agent then reads it as text and reports the error of that.
// Unknown keys are ignored, known ones are case-sensitive and must have the
// right type (stout/protobuf.hpp, parse).
func parseJSON(text, defaultRole string) (entries []Resource, isJSON bool, err error) {
	if !strings.HasPrefix(strings.TrimLeft(text, space), "[") || !json.Valid([]byte(text)) {
		return nil, false, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var array []any
	if err := dec.Decode(&array); err != nil {
		return nil, false, nil //nolint:nilerr // not an array: the agent tries the text form
	}
	for i, element := range array {
		r, err := parseElement(element, defaultRole)
		if err != nil {
			return nil, true, fmt.Errorf("%w in JSON element %d", err, i)
		}
		entries = append(entries, r)
	}
	return entries, true, nil
}

// parseElement reads one Resource message.
func parseElement(element any, defaultRole string) (Resource, error) {
	fields, ok := element.(map[string]any)
	if !ok {
		return Resource{}, fmt.Errorf("%w: expecting an object", ErrSyntax)
	}
	m := message{fields: fields}
	r := Resource{
		Name:        m.text("name", required),
		Provider:    m.object("provider_id").text("value", required),
		AllocatedTo: m.object("allocation_info").text("role", optional),
	}
	m.readValue(&r)
	r.Disk = m.object("disk").disk()
	r.Reservation = m.reservation(defaultRole)
	switch {
	case m.has("revocable"):
		m.object("revocable")
		m.fail("revocable resources are not allowed here")
	case m.has("shared"):
		m.fail("only persistent volumes can be shared, and those are not allowed here")
	}
	return r, m.failure()
}

// readValue reads type, scalar, ranges and set.
func (m *message) readValue(r *Resource) {
	kind := m.text("type", required)
	wants := map[string]Kind{"scalar": Scalar, "ranges": Ranges, "set": Set}
	for key, k := range wants {
		if kind == k.String() {
			r.Kind = k
		}
		if m.has(key) != (kind == k.String()) && (kind == "SCALAR" || kind == "RANGES" || kind == "SET") {
			m.fail("type %q and the value that is given do not go together", kind)
			return
		}
	}
	switch r.Kind {
	case Scalar:
		r.Amount = m.object("scalar").scalar("value")
	case Ranges:
		ranges := m.object("ranges")
		for _, x := range ranges.objects("range") {
			r.Ranges = append(r.Ranges, Range{Begin: x.whole("begin"), End: x.whole("end")})
		}
		// The agent checks before it coalesces; text goes the other way.
		if err := r.check(); err != nil && r.Name != "" {
			m.keep(err)
		}
		r.Ranges = coalesce(r.Ranges)
	case Set:
		r.Set = m.object("set").texts("item")
	default:
		m.fail("unsupported resource type %q", kind)
	}
}

// reservation reads who the resource is reserved to, in any of the forms the
// agent takes: "role", "role" with "reservation", or "reservations"
// (src/common/resources_utils.cpp:428). All that may remain is at most one
// static reservation.
func (m *message) reservation(defaultRole string) *Reservation {
	role := m.text("role", optional)
	stack := m.objects("reservations")
	if m.has("reservation") {
		m.object("reservation")
		if role == anyRole || (role == "" && defaultRole == anyRole) {
			m.fail("role \"*\" cannot have a reservation")
		} else {
			m.fail("dynamic reservations are not allowed here")
		}
		return nil
	}
	if len(stack) == 0 {
		if !m.has("role") {
			role = defaultRole
		}
		if role == anyRole {
			return nil
		}
		return &Reservation{Role: role}
	}
	for i, s := range stack {
		switch kind := s.text("type", required); {
		case kind == "STATIC" && i > 0:
			m.fail("a refined reservation must be DYNAMIC")
		case kind == "DYNAMIC":
			m.fail("dynamic reservations are not allowed here")
		case kind != "STATIC":
			m.fail("unknown reservation type %q", kind)
		}
	}
	top := stack[0]
	res := &Reservation{Role: top.text("role", required), Principal: top.text("principal", optional)}
	labels := top.object("labels")
	for _, l := range labels.objects("labels") {
		res.Labels = append(res.Labels, Label{Key: l.text("key", required), Value: l.text("value", optional), HasValue: l.has("value")})
	}
	if m.has("role") && role != res.Role {
		m.fail("role %q contradicts the reservation to role %q", role, res.Role)
	}
	return res
}

// disk reads a DiskInfo; nil when there is none or it says nothing.
func (m *message) disk() *DiskSource {
	if m.has("persistence") {
		m.fail("persistent volumes are not allowed here")
	}
	source := m.object("source")
	if !source.present() {
		return nil
	}
	d := &DiskSource{
		Type:    source.text("type", required),
		Vendor:  source.text("vendor", optional),
		ID:      source.text("id", optional),
		Profile: source.text("profile", optional),
	}
	if !slices.Contains([]string{"PATH", "MOUNT", "BLOCK", "RAW"}, d.Type) {
		m.fail("unsupported disk source type %q", d.Type)
	}
	if kind := strings.ToLower(d.Type); kind == "path" || kind == "mount" {
		d.Root = source.object(kind).text("root", optional)
	}
	return d
}
