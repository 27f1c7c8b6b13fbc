package estimator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// AllocationConfig is how allocation slack is offered: what is reserved to roles that
// they have not allocated (MESOS-4967).
type AllocationConfig struct {
	// Resources are those that are offered, any scalar.
	Resources []AllocationResource
	// Roles says of whose reservations.
	Roles RoleFilter
	// Cap limits what is promised of the resources that it names.
	Cap resources.Quantities
	// ReportStaleAfter and SampleStaleAfter are those of UsageConfig.
	ReportStaleAfter, SampleStaleAfter time.Duration
}

// AllocationResource is one resource. The hold-off of its governor follows each
// reclaim: a role that allocated what was offered.
type AllocationResource struct {
	Name     string
	Governor GovernorConfig
}

// RoleFilter chooses reservations. A name stands for that role, and one that ends
// with /* for all roles below.
type RoleFilter struct {
	// Include are the roles whose reservations count, none for all; Exclude those
	// whose do not, whatever Include says.
	Include, Exclude []string
	// Keep is what stays free for a role's fast start. The first that names it counts.
	Keep []Keep
}

// Keep is what is not offered of a role's reservation: Amounts, and of resources that
// it does not name Share of what is reserved.
type Keep struct {
	Role    string
	Amounts resources.Quantities
	Share   float64
}

func matches(pattern, role string) bool {
	above, below := strings.CutSuffix(pattern, "*")
	return pattern == role || below && strings.HasSuffix(above, "/") && strings.HasPrefix(role, above)
}

func (f *RoleFilter) offers(role string) bool {
	is := func(pattern string) bool { return matches(pattern, role) }
	return role != snapshot.Unreserved && !slices.ContainsFunc(f.Exclude, is) && (len(f.Include) == 0 || slices.ContainsFunc(f.Include, is))
}

func (f *RoleFilter) keep(r *snapshot.Reservation, resource string) resources.Milli {
	for _, k := range f.Keep {
		if !matches(k.Role, r.Role) {
			continue
		}
		if amount := amountOf(k.Amounts, resource); amount != nil {
			return *amount
		}
		return resources.CeilMilli(k.Share * r.Reserved.Get(resource).Float())
	}
	return 0
}

// AllocationOffer is the part of an offer that is reserved and not allocated.
type AllocationOffer struct {
	// Roles are the reservations that count, sorted by role.
	Roles []RoleSlack `json:"roles,omitempty"`
	// Shortfall is what is not there although it is reserved: others use it beyond
	// what they were allocated or what is unreserved, or the node is smaller than
	// its agent says.
	Shortfall resources.Milli `json:"shortfall"`
	// Slack is Σ slack of the roles − Shortfall, never below zero.
	Slack resources.Milli `json:"slack"`
	// Cap is the operator's limit; nil without one.
	Cap *resources.Milli `json:"cap,omitempty"`
	// Target is the lesser of Slack and Cap.
	Target resources.Milli `json:"target"`
	// Owed is what owners have allocated of their reservations while it was allocated
	// as revocable: less as soon as more is free or less is revocable.
	Owed resources.Milli `json:"owed,omitzero"`
	// Governor is what Total was decided from beside Target and what is allocated
	// as revocable; nil when an input is missing.
	Governor *Terms `json:"governor,omitempty"`
	// Total is Target after the governor, a part of the revocable total.
	Total resources.Milli `json:"revocable_total"`
	// Why is what decided Total.
	Why reason.Code `json:"why"`
}

// RoleSlack is what one role's reservation has to offer.
type RoleSlack struct {
	Role string `json:"role"`
	// Unallocated is what is reserved to it and not allocated, disks of their own left out;
	// Keep is what of it stays free.
	Unallocated resources.Milli `json:"unallocated"`
	Keep        resources.Milli `json:"keep"`
	// Slack is Unallocated − Keep, never below zero.
	Slack resources.Milli `json:"slack"`
}

// allocation offers what is reserved and not allocated, beside what another estimator offers:
//
//	slack           = Σ over roles max(0, reserved − allocated − keep) − shortfall
//	revocable total = that of the other one + governor(min(slack, cap))
//
// What is reserved and not allocated is no part of what regular containers are
// allocated, which is all that usage slack is taken from, and what is unreserved is
// in neither: the master offers it as regular. So no core is promised twice.
type allocation struct {
	life
	cfg       AllocationConfig
	resources []reserved
	// beside is the estimator of usage slack; nil in mode allocation.
	beside Estimator
}

// reserved is the state of one resource.
type reserved struct {
	name     string
	cap      *resources.Milli
	governor *Governor
	// free is Σ slack of the roles at the tick before.
	free resources.Milli
	// owed is AllocationOffer.Owed.
	owed resources.Milli
	// read is how it is read off the host; nil when it cannot be.
	read *reading
}

// NewAllocation makes the Estimator of allocation slack, beside another one
// or, with nil, alone.
func NewAllocation(cfg AllocationConfig, beside Estimator) (Estimator, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	a := &allocation{cfg: cfg, beside: beside}
	for _, rc := range cfg.Resources {
		governor, err := NewGovernor(rc.Governor)
		if err != nil {
			return nil, err
		}
		l := reserved{name: rc.Name, governor: governor, cap: amountOf(cfg.Cap, rc.Name)}
		for _, r := range readings() {
			if r.name == rc.Name {
				l.read = &r
			}
		}
		a.resources = append(a.resources, l)
	}
	return a, nil
}

// amountOf is the amount of a resource, nil when q does not name it.
func amountOf(q resources.Quantities, name string) *resources.Milli {
	for i := range q {
		if q[i].Name == name {
			amount := q[i].Amount
			return &amount
		}
	}
	return nil
}

func (c *AllocationConfig) check() error {
	if len(c.Resources) == 0 {
		return fmt.Errorf("%w: no resource of reservations to offer", ErrConfig)
	}
	known := map[string]bool{}
	for _, r := range c.Resources {
		if r.Name == "" || known[r.Name] {
			return fmt.Errorf("%w: resource %q of reservations is configured twice or has no name", ErrConfig, r.Name)
		}
		known[r.Name] = true
	}
	for _, q := range c.Cap {
		if !known[q.Name] || q.Amount < 0 {
			return fmt.Errorf("%w: the cap %v on reserved %s, which is not offered, or is negative", ErrConfig, q.Amount, q.Name)
		}
	}
	for _, k := range c.Roles.Keep {
		if !isShare(k.Share) || slices.ContainsFunc(k.Amounts, func(q resources.Quantity) bool { return q.Amount < 0 }) {
			return fmt.Errorf("%w: what is kept of role %q is no amount or share", ErrConfig, k.Role)
		}
	}
	if c.ReportStaleAfter <= 0 || c.SampleStaleAfter <= 0 {
		return fmt.Errorf("%w: a limit of staleness must be above zero", ErrConfig)
	}
	return nil
}

// Estimate implements Estimator.
func (a *allocation) Estimate(s *snapshot.Snapshot, demands []demand.Demand) Offer {
	o := Offer{At: s.At, Report: s.Usage, ValidFor: a.cfg.SampleStaleAfter}
	if a.beside != nil {
		o = a.beside.Estimate(s, demands)
	}
	o.roles = &a.cfg.Roles
	at, feedback, from := a.advance(s)
	allocated := allocatedOf(s.Usage)
	for i := range a.resources {
		l := &a.resources[i]
		if state := from.allocation(l.name, &l.governor.cfg); state != nil {
			l.governor.Resume(at, state.Governor)
			l.free, l.owed = state.Free, state.Owed
		}
		l.governor.Apply(at, feedback)
		r := o.resource(l.name, allocated)
		r.Allocation = l.estimate(at, s, r, &a.cfg)
		total, why := r.RevocableTotal.Plus(r.Allocation.Total), r.Why
		if why != reason.Stopped && r.RevocableTotal == 0 {
			why = r.Allocation.Why
		}
		r.promise(total, why)
		r.Allocation.Owed = l.owe(r)
	}
	return o
}

// owe is Owed after an offer: no more than what is revocable beyond the total.
func (l *reserved) owe(r *ResourceOffer) resources.Milli {
	if r.Allocation.Governor == nil {
		return 0 // blindness takes from nobody; the debt is kept for when sight is back
	}
	l.owed = min(max(0, l.owed), max(0, r.revocable()-r.RevocableTotal))
	return l.owed
}

// resource is the offer of a resource in o, made where there is none.
func (o *Offer) resource(name string, allocated func(string) *Allocated) *ResourceOffer {
	i, found := slices.BinarySearchFunc(o.Resources, name, func(r ResourceOffer, name string) int { return strings.Compare(r.Resource, name) })
	if !found {
		o.Resources = slices.Insert(o.Resources, i, ResourceOffer{Resource: name, Allocated: allocated(name), Why: reason.Slack})
	}
	return &o.Resources[i]
}

func (l *reserved) estimate(at time.Time, s *snapshot.Snapshot, r *ResourceOffer, cfg *AllocationConfig) *AllocationOffer {
	t := &AllocationOffer{Cap: l.cap}
	if t.Why = l.blind(s, cfg); t.Why != "" {
		l.governor.Cut()
		return t
	}
	free := t.of(s.Usage, l.name, &cfg.Roles)
	t.Shortfall = t.Shortfall.Plus(l.shortfall(s, r))
	l.owed = l.owed.Plus(l.free - free)
	if free < l.free {
		// An owner came.
		l.governor.Apply(at, Feedback{Acted: true, StopOffer: l.governor.stopped})
	}
	l.free = free
	t.Slack = max(0, free.Plus(-t.Shortfall))
	t.Target = t.Slack
	if t.Cap != nil {
		t.Target = min(t.Slack, *t.Cap)
	}
	total, why, terms := l.governor.Next(Round{
		At: at, Target: t.Target, RevocableAllocated: r.RevocableAllocated, RegularAllocated: s.Usage.Total.Get(l.name),
	})
	t.Governor, t.Total, t.Why = &terms, total, why
	switch {
	case why != reason.Slack:
	case t.Target < t.Slack:
		t.Why = reason.Cap
	case total == 0:
		t.Why = reason.NoSlack
	}
	return t
}

// blind says what is missing to offer anything, "" when nothing is.
func (l *reserved) blind(s *snapshot.Snapshot, cfg *AllocationConfig) reason.Code {
	u := UsageConfig{ReportStaleAfter: cfg.ReportStaleAfter, SampleStaleAfter: cfg.SampleStaleAfter}
	if why := u.blind(s); why != "" {
		return why
	}
	if s.Usage.Dropped > 0 {
		return reason.UnusableExecutor
	}
	if l.read == nil {
		return "" // nothing of the host is read of it
	}
	return u.blindHost(l.read, s)
}

// of lists what the roles have to offer, and what those that are allocated more
// of the rest than there is take of it. The result is Σ slack.
func (t *AllocationOffer) of(u *snapshot.Usage, resource string, roles *RoleFilter) (free resources.Milli) {
	for i := range u.Reservations {
		r := &u.Reservations[i]
		left := r.Free(resource)
		t.Shortfall = t.Shortfall.Plus(max(0, -left))
		if !roles.offers(r.Role) || r.Reserved.Get(resource) == 0 {
			continue
		}
		role := RoleSlack{Role: r.Role, Unallocated: max(0, left), Keep: roles.keep(r, resource)}
		role.Slack = max(0, role.Unallocated-role.Keep)
		free = free.Plus(role.Slack)
		t.Roles = append(t.Roles, role)
	}
	return free
}

// shortfall is by how much regular containers and processes outside are predicted to
// use more than regular containers are allocated; and by how much the node is
// smaller than its agent says.
func (l *reserved) shortfall(s *snapshot.Snapshot, r *ResourceOffer) (m resources.Milli) {
	if r.Estimate != nil {
		m = max(0, r.Peak.Plus(r.Margin).Plus(r.Unmanaged)-r.RegularAllocated)
	}
	if l.read != nil {
		_, size, _ := l.read.host(&s.Host)
		m = max(m, s.Usage.Total.Get(l.name).Plus(-resources.FloorMilli(size)))
	}
	return m
}

// reclaimed is by how much less of each resource there is to offer now than then.
func (f *RoleFilter) reclaimed(resource string, then, now *snapshot.Usage) resources.Milli {
	var before, after AllocationOffer
	was := before.of(then, resource, f).Plus(-before.Shortfall)
	is := after.of(now, resource, f).Plus(-after.Shortfall)
	return max(0, was.Plus(-is))
}

// Feedback implements Estimator.
func (a *allocation) Feedback(f Feedback) {
	a.life.Feedback(f)
	if a.beside != nil {
		a.beside.Feedback(f)
	}
}

// Save implements Estimator.
func (a *allocation) Save() *Checkpoint {
	c := a.save()
	if c == nil {
		return nil
	}
	if a.beside != nil {
		c = a.beside.Save()
	}
	for i := range a.resources {
		l := &a.resources[i]
		c.Allocation = append(c.Allocation, AllocationCheckpoint{Name: l.name, Governor: l.governor.GovernorState, Free: l.free, Owed: l.owed})
	}
	return c
}

// Restore implements Estimator.
func (a *allocation) Restore(c *Checkpoint) error {
	err := a.restore(c)
	if err == nil && a.beside != nil {
		err = a.beside.Restore(c)
	}
	return err
}

// allocation is what c knows of the allocation slack of the resource, nil for nothing.
func (c *Checkpoint) allocation(name string, cfg *GovernorConfig) *AllocationCheckpoint {
	if c == nil {
		return nil
	}
	for i := range c.Allocation {
		if s := &c.Allocation[i]; s.Name == name && s.Free >= 0 && s.Governor.check(c.Clock.At, cfg) == nil {
			return s
		}
	}
	return nil
}
