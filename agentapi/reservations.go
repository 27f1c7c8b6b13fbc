package agentapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// maxRoles bounds the roles that one report reserves resources to.
const maxRoles = 1024

// reservations adds up one report by role.
type reservations struct {
	byRole map[string]*snapshot.Reservation
	// shared are the shared volumes that an executor has, by role and id: each of
	// those that have it lists it.
	shared map[[2]string]bool
}

func newReservations() *reservations {
	return &reservations{byRole: map[string]*snapshot.Reservation{}, shared: map[[2]string]bool{}}
}

// of is what is reserved like r.
func (s *reservations) of(r *wire.Resource) (*snapshot.Reservation, error) {
	role := reservedTo(r)
	if s.byRole[role] == nil {
		if len(s.byRole) == maxRoles {
			return nil, fmt.Errorf("%w: resources are reserved to more than %d roles", errUnsafe, maxRoles)
		}
		s.byRole[role] = &snapshot.Reservation{Role: role}
	}
	return s.byRole[role], nil
}

// reserved takes an amount of the agent's total. A name cannot have more than one
// report's sum of all names, which is in range.
func (s *reservations) reserved(r *wire.Resource, amount resources.Milli) error {
	of, err := s.of(r)
	if err != nil {
		return err
	}
	of.Reserved.Add(r.GetName(), amount)
	if r.GetDisk() != nil {
		of.Disks.Add(r.GetName(), amount)
	}
	return nil
}

// allocated takes an amount that is allocated to an executor.
func (s *reservations) allocated(r *wire.Resource, amount resources.Milli) error {
	of, err := s.of(r)
	if err != nil {
		return err
	}
	if id := r.GetDisk().GetPersistence().GetId(); r.GetShared() != nil && id != "" {
		volume := [2]string{of.Role, id}
		if s.shared[volume] {
			return nil
		}
		s.shared[volume] = true
	}
	of.Allocated.Add(r.GetName(), amount)
	if r.GetDisk() != nil {
		of.Disks.Add(r.GetName(), -amount)
	}
	return nil
}

// list is what was added up, sorted by role.
func (s *reservations) list() []snapshot.Reservation {
	var list []snapshot.Reservation
	for _, r := range slices.SortedFunc(maps.Values(s.byRole), func(a, b *snapshot.Reservation) int { return cmp.Compare(a.Role, b.Role) }) {
		r.Disks = r.Disks.Minus(nil)
		if r.Disks.IsZero() {
			r.Disks = nil
		}
		list = append(list, *r)
	}
	return list
}

// reservedTo is the role that r is reserved to: that of the last refinement
// (docs/reservation.md of Mesos), or what old agents say in role.
func reservedTo(r *wire.Resource) string {
	if n := len(r.GetReservations()); n > 0 {
		return r.GetReservations()[n-1].GetRole()
	}
	return cmp.Or(r.GetRole(), snapshot.Unreserved)
}
