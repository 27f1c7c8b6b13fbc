package resources

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNotOfferable is the class of the errors of Resources.Quantities.
var ErrNotOfferable = errors.New("only unreserved scalars can be offered as revocable")

// Kind is the type of a resource's value.
type Kind uint8

// The kinds that Mesos has resources of; its TEXT is refused everywhere.
const (
	Scalar Kind = iota + 1
	Ranges
	Set
)

// String is the name of the kind in Mesos's JSON.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "SCALAR"
	case Ranges:
		return "RANGES"
	case Set:
		return "SET"
	}
	return "UNKNOWN"
}

// Range is the whole numbers from Begin to End, both included.
type Range struct{ Begin, End uint64 }

// Reservation is a static reservation, the only kind that a command line may
// have.
type Reservation struct {
	Role      string
	Principal string
	Labels    []Label
}

// Label is one label of a Reservation. Mesos tells an absent value from an
// empty one, hence HasValue.
type Label struct {
	Key, Value string
	HasValue   bool
}

// DiskSource is where a disk resource comes from.
type DiskSource struct {
	// Type is PATH, MOUNT, BLOCK or RAW.
	Type string
	// Root is the path of a PATH or MOUNT source.
	Root string
	// Vendor, ID and Profile are those of a storage plugin's volume.
	Vendor, ID, Profile string
}

// Resource is one entry of a node's resources. The value is in the field that
// Kind names.
type Resource struct {
	Name string
	Kind Kind

	Amount Milli
	Ranges []Range
	Set    []string

	// Reservation is nil when the resource is unreserved.
	Reservation *Reservation
	// AllocatedTo is the allocation role, "" for none.
	AllocatedTo string
	// Provider is the id of the resource provider, "" for the agent itself.
	Provider string
	// Disk is where a disk resource comes from, nil when not said.
	Disk *DiskSource
}

// Role is the role the resource is reserved to, "*" when it is unreserved.
func (r *Resource) Role() string {
	if r.Reservation == nil {
		return anyRole
	}
	return r.Reservation.Role
}

// isEmpty reports whether the resource holds nothing; the agent drops such an
// entry (src/common/resources.cpp, Resources::isEmpty).
func (r *Resource) isEmpty() bool {
	switch r.Kind {
	case Scalar:
		return r.Amount == 0
	case Ranges:
		return len(r.Ranges) == 0
	default:
		return len(r.Set) == 0
	}
}

// addable reports whether o merges with r into one entry. A mounted, block or
// raw disk is one device and merges with nothing
// (src/common/resources.cpp, addable).
func (r *Resource) addable(o *Resource) bool {
	if r.Name != o.Name || r.Kind != o.Kind || r.AllocatedTo != o.AllocatedTo || r.Provider != o.Provider {
		return false
	}
	if (r.Reservation == nil) != (o.Reservation == nil) || (r.Disk == nil) != (o.Disk == nil) {
		return false
	}
	if r.Reservation != nil && !r.Reservation.equal(o.Reservation) {
		return false
	}
	return r.Disk == nil || (r.Disk.Type == "PATH" && *r.Disk == *o.Disk)
}

func (r *Reservation) equal(o *Reservation) bool {
	return r.Role == o.Role && r.Principal == o.Principal && slices.Equal(r.Labels, o.Labels)
}

// Resources are the entries of a node, in the order given, merged where the
// agent merges.
type Resources []Resource

// add appends x as the agent does: an empty one is dropped, one that is alike
// but for its value is merged.
func (rs *Resources) add(x Resource) error {
	if x.isEmpty() {
		return nil
	}
	for i := range *rs {
		r := &(*rs)[i]
		if !r.addable(&x) {
			continue
		}
		switch r.Kind {
		case Scalar:
			sum := r.Amount + x.Amount
			if sum < 0 {
				return fmt.Errorf("%w: the amounts of %q add up to more than a scalar can hold", ErrSyntax, x.Name)
			}
			r.Amount = sum
		case Ranges:
			r.Ranges = coalesce(append(r.Ranges, x.Ranges...))
		default:
			for _, item := range x.Set {
				if !slices.Contains(r.Set, item) {
					r.Set = append(r.Set, item)
				}
			}
		}
		return nil
	}
	*rs = append(*rs, x)
	return nil
}

// coalesce sorts ranges and unites those that overlap or touch, in place. An
// inverted range and one that ends with the largest uint64 (whose successor
// wraps to 0) go the agent's way, and are then refused by the check for
// inverted and overlapping ranges, or were swallowed by another
// (src/common/values.cpp, coalesce).
func coalesce(rs []Range) []Range {
	slices.SortFunc(rs, func(a, b Range) int {
		if a.Begin != b.Begin {
			return compare(a.Begin, b.Begin)
		}
		return compare(a.End, b.End)
	})
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && (r.Begin == out[n-1].Begin || r.Begin <= out[n-1].End+1) {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// Quantities are the amounts by name, for use as revocable capacity. An entry
// that cannot be offered as that is an error which names it: one that is no
// scalar, is reserved, allocated, of a resource provider or of a disk source,
// and gpus, since an agent that has any gpus is hidden from every framework
// without the GPU capability (src/master/allocator/mesos/hierarchical.hpp:385).
func (rs Resources) Quantities() (Quantities, error) {
	var q Quantities
	for i := range rs {
		r := &rs[i]
		var why string
		switch {
		case r.Kind != Scalar:
			why = "it is of type " + r.Kind.String()
		case r.Reservation != nil:
			why = fmt.Sprintf("it is reserved to role %q", r.Reservation.Role)
		case r.AllocatedTo != "":
			why = fmt.Sprintf("it is allocated to role %q", r.AllocatedTo)
		case r.Provider != "":
			why = fmt.Sprintf("it belongs to resource provider %q", r.Provider)
		case r.Disk != nil:
			why = "it is tied to a disk source"
		case r.Name == "gpus":
			why = "gpus would hide the agent from all frameworks that do not use GPUs"
		default:
			q.Add(r.Name, r.Amount)
			continue
		}
		return nil, fmt.Errorf("%w: %q: %s", ErrNotOfferable, r.String(), why)
	}
	return q, nil
}
