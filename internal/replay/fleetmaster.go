package replay

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/estimatord/estimatord/internal/resources"
)

// The model of the master, in whole seconds. Facts are those of Mesos 1.12-dev:
//
//   - An agent's report that changes its revocable total by 0.001 rescinds every
//     outstanding offer of the agent with revocable resources in it, with the regular
//     ones in the same offer. Offers without any stay (master.cpp:8033-8045).
//   - What was rescinded is offered again at the next allocation, without a filter.
//   - Allocations are each second. Regular and revocable resources of an agent
//     go to one framework in one offer; those without REVOCABLE_RESOURCES see only the
//     regular ones (hierarchical.cpp:2444-2501, 3117-3148).
//   - Roles are a tree; at each level the one with the smallest dominant share
//     divided by its weight is first. What is offered counts as allocated, and
//     revocable as regular. Regular resources first go to roles that have less of them
//     than their guarantee; revocable ones are outside of quota.
//   - After a failover an agent has no revocable resources until it has reported,
//     and nobody has an offer or a filter (master.cpp:13009-13013).
const (
	// refuseSeconds is the filter of a decline that asks for none.
	refuseSeconds = 5
	// leastCPUs and leastMem are the least that is offered, in thousandths of a
	// core and of a MiB.
	leastCPUs, leastMem = 10, 32_000
)

// bundle is an amount of what the model hands out, in thousandths.
type bundle struct{ cpus, revocable, mem resources.Milli }

func (b *bundle) add(x bundle, sign resources.Milli) {
	b.cpus += sign * x.cpus
	b.revocable += sign * x.revocable
	b.mem += sign * x.mem
}

// offerable leaves out what is too little for an offer.
func (b *bundle) offerable(revocable bool) bundle {
	x := bundle{max(0, b.cpus), max(0, b.revocable), max(0, b.mem)}
	if !revocable {
		x.revocable = 0
	}
	if x.cpus < leastCPUs && x.revocable < leastCPUs && x.mem < leastMem {
		return bundle{}
	}
	return x
}

// role is one role of the tree; its frameworks' allocations are its own.
type role struct {
	name      string
	weight    float64
	guarantee resources.Milli // of regular cpus
	allocated bundle
	parent    *role
}

// share is the dominant share by weight.
func (r *role) share(total *bundle) float64 {
	cpus := ratio(float64(r.allocated.cpus+r.allocated.revocable), float64(total.cpus+total.revocable))
	return max(cpus, ratio(float64(r.allocated.mem), float64(total.mem))) / r.weight
}

// charge adds to a role and those above it.
func (r *role) charge(x bundle, sign resources.Milli) {
	for ; r != nil; r = r.parent {
		r.allocated.add(x, sign)
	}
}

// framework decides about offers. Its hold is how many seconds it keeps one that
// it cannot use before it declines it, refuse for how long it then wants none.
type framework struct {
	role      *role
	revocable bool // has the capability
	index     int
	hold      int
	refuse    int
	// wants is asked for what it launches of an offer; nil: nothing.
	wants func(a *agent, o bundle) (launched bundle)
	// idle: it has nothing to launch and suppresses offers; nil: never.
	idle func() bool
}

// offer is outstanding.
type offer struct {
	to    *framework
	what  bundle
	until int // declined then
}

// agent is a node as the master knows it.
type agent struct {
	index      int
	total      bundle
	allocated  bundle
	offers     []offer
	filters    []int // by framework: until when it wants no offer
	registered bool
}

// free is what is neither allocated nor offered.
func (a *agent) free() bundle {
	f := a.total
	f.add(a.allocated, -1)
	for i := range a.offers {
		f.add(a.offers[i].what, -1)
	}
	return f
}

// masterCounts are of one second.
type masterCounts struct{ Updates, Rescinds, RegularRescinds, Offers, RegularOffers int }

type master struct {
	agents     []*agent
	frameworks []*framework
	total      bundle
	now        int
	counts     masterCounts
	order      []*framework
	rng        *rand.Rand
}

func newMaster(frameworks []*framework, seed uint64) *master {
	for i, f := range frameworks {
		f.index = i
	}
	return &master{frameworks: frameworks, order: slices.Clone(frameworks), rng: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a simulation
}

// add registers an agent.
func (m *master) add(a *agent) {
	a.index, a.registered, a.filters = len(m.agents), true, make([]int, len(m.frameworks))
	m.agents = append(m.agents, a)
	m.total.add(a.total, 1)
}

// update is a report of the agent's revocable total.
func (m *master) update(a *agent, revocable resources.Milli) {
	m.counts.Updates++
	if revocable == a.total.revocable {
		return
	}
	m.total.revocable += revocable - a.total.revocable
	a.total.revocable = revocable
	a.offers = slices.DeleteFunc(a.offers, func(o offer) bool {
		if o.what.revocable <= 0 {
			return false
		}
		m.counts.Rescinds++
		if o.what.cpus > 0 {
			m.counts.RegularRescinds++
		}
		o.to.role.charge(o.what, -1)
		return true
	})
}

// failover forgets all but what is allocated.
func (m *master) failover() {
	for _, a := range m.agents {
		for i := range a.offers {
			a.offers[i].to.role.charge(a.offers[i].what, -1)
		}
		m.total.revocable -= a.total.revocable
		a.offers, a.total.revocable, a.registered = nil, 0, false
		clear(a.filters)
	}
}

// revive lifts the framework's filters.
func (m *master) revive(f *framework) {
	for _, a := range m.agents {
		a.filters[f.index] = 0
	}
}

// second lets frameworks decide, and allocates.
func (m *master) second(now int) {
	m.now = now
	for _, a := range m.agents {
		if len(a.offers) > 0 {
			m.decide(a)
		}
	}
	first := 0
	if n := len(m.agents); n > 0 {
		first = m.rng.IntN(n) // none is always first
	}
	for i := range m.agents {
		a := m.agents[(first+i)%len(m.agents)]
		if a.registered {
			m.allocate(a)
		}
	}
}

// decide has each framework accept or decline its offers of the agent.
func (m *master) decide(a *agent) {
	a.offers = slices.DeleteFunc(a.offers, func(o offer) bool {
		var launched bundle
		if o.to.wants != nil {
			launched = o.to.wants(a, o.what)
		}
		if launched == (bundle{}) && m.now < o.until {
			return false
		}
		o.to.role.charge(o.what, -1)
		o.to.role.charge(launched, 1)
		a.allocated.add(launched, 1)
		a.filters[o.to.index] = m.now + o.to.refuse
		return true
	})
}

// release takes back what ended.
func (m *master) release(a *agent, r *role, x bundle) {
	r.charge(x, -1)
	a.allocated.add(x, -1)
}

// allocate offers what is free of an agent to the first framework that may see it.
func (m *master) allocate(a *agent) {
	free := a.free()
	if free.offerable(true) == (bundle{}) {
		return
	}
	sorted := false
	for k := range m.order {
		if !sorted && !slices.ContainsFunc(m.frameworks, func(f *framework) bool { return m.sees(a, f) }) {
			return
		}
		if !sorted {
			slices.SortStableFunc(m.order, func(x, y *framework) int { return m.compare(x.role, y.role) })
			sorted = true
		}
		f := m.order[k]
		what := free.offerable(f.revocable)
		if !m.sees(a, f) || what == (bundle{}) {
			continue
		}
		a.offers = append(a.offers, offer{to: f, what: what, until: m.now + f.hold})
		f.role.charge(what, 1)
		m.counts.Offers++
		if what.cpus > 0 {
			m.counts.RegularOffers++
		}
		free.add(what, -1)
	}
}

func (m *master) sees(a *agent, f *framework) bool {
	return a.filters[f.index] <= m.now && (f.idle == nil || !f.idle())
}

// compare orders roles: below their guarantee first, then by share from the root.
func (m *master) compare(x, y *role) int {
	below := func(r *role) int {
		if r.allocated.cpus < r.guarantee {
			return 0
		}
		return 1
	}
	if c := cmp.Compare(below(x), below(y)); c != 0 {
		return c
	}
	if x.parent != y.parent && x.parent != nil && y.parent != nil {
		if c := cmp.Compare(x.parent.share(&m.total), y.parent.share(&m.total)); c != 0 {
			return c
		}
	}
	return cmp.Compare(x.share(&m.total), y.share(&m.total))
}
