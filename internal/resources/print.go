package resources

import (
	"strconv"
	"strings"
)

// String prints the entries as the agent does: "cpus:4; ports:[1-2, 5-9]".
// Unreserved entries can be parsed back; the agent's form of a reservation
// cannot, by the agent neither.
func (rs Resources) String() string {
	var b strings.Builder
	for i := range rs {
		if i > 0 {
			b.WriteString("; ")
		}
		rs[i].print(&b)
	}
	return b.String()
}

// String prints the entry as the agent does, for example
// "cpus(reservations: [(STATIC,web)]):2" (src/common/resources.cpp,
// operator<<).
func (r *Resource) String() string {
	var b strings.Builder
	r.print(&b)
	return b.String()
}

func (r *Resource) print(b *strings.Builder) {
	b.WriteString(r.Name)
	if r.AllocatedTo != "" {
		b.WriteString("(allocated: " + r.AllocatedTo + ")")
	}
	if r.Reservation != nil {
		r.Reservation.print(b)
	}
	if r.Disk != nil {
		r.Disk.print(b)
	}
	b.WriteByte(':')
	switch r.Kind {
	case Scalar:
		b.WriteString(r.Amount.String())
	case Ranges:
		b.WriteByte('[')
		for i, x := range r.Ranges {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.FormatUint(x.Begin, 10) + "-" + strconv.FormatUint(x.End, 10))
		}
		b.WriteByte(']')
	case Set:
		b.WriteString("{" + strings.Join(r.Set, ", ") + "}")
	}
}

func (r *Reservation) print(b *strings.Builder) {
	b.WriteString("(reservations: [(STATIC," + r.Role)
	if r.Principal != "" {
		b.WriteString("," + r.Principal)
	}
	if len(r.Labels) > 0 {
		b.WriteString(",{")
		for i, l := range r.Labels {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(l.Key)
			if l.HasValue {
				b.WriteString(": " + l.Value)
			}
		}
		b.WriteByte('}')
	}
	b.WriteString(")])")
}

func (d *DiskSource) print(b *strings.Builder) {
	b.WriteString("[" + d.Type)
	if d.ID != "" || d.Profile != "" {
		b.WriteString("(" + d.Vendor + "," + d.ID + "," + d.Profile + ")")
	}
	if d.Root != "" {
		b.WriteString(":" + d.Root)
	}
	b.WriteByte(']')
}
