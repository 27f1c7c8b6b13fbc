package control

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// History is how things went: values over time, in columns. All columns are as
// long as At.
type History struct {
	// StepSeconds is the time between two values where the daemon ticked at least
	// that often.
	StepSeconds int `json:"step_s"`
	// At are the times of the values, in seconds since 1970.
	At []int64 `json:"at_unix_s"`
	// Resources are the sums of the node.
	Resources []ResourceHistory `json:"resources"`
	// Containers are those that used most CPU: 50, or in an update all of them.
	Containers []ContainerHistory `json:"containers"`
	// Events are what happened in that time, the oldest first.
	Events []Event `json:"events"`
}

// ResourceHistory is one resource over time, in its own unit. The names are those
// of estimator.ResourceOffer.
type ResourceHistory struct {
	Resource string `json:"resource"`
	// Capacity is what the agent's containers can use of the node.
	Capacity         Series `json:"capacity"`
	RegularAllocated Series `json:"regular_allocated"`
	// RegularUsage and RevocableUsage are sums of the containers that can be read;
	// whatever is not revocable counts as regular.
	RegularUsage       Series `json:"regular_usage"`
	Peak               Series `json:"regular_predicted_peak"`
	Unmanaged          Series `json:"unmanaged_usage"`
	RevocableAllocated Series `json:"revocable_allocated"`
	RevocableUsage     Series `json:"revocable_usage"`
	RevocableTotal     Series `json:"revocable_total"`
	Offered            Series `json:"offered"`
}

// series are the columns of h, in a fixed order.
func (h *ResourceHistory) series() [perResource]*Series {
	return [perResource]*Series{
		&h.Capacity, &h.RegularAllocated, &h.RegularUsage, &h.Peak, &h.Unmanaged,
		&h.RevocableAllocated, &h.RevocableUsage, &h.RevocableTotal, &h.Offered,
	}
}

// ContainerHistory is the use of one top-level container over time.
type ContainerHistory struct {
	snapshot.Key
	Cores              Series `json:"cores"`
	UnreclaimableBytes Series `json:"unreclaimable_bytes"`
}

const (
	perResource = 9
	// maxTracked containers have a history.
	maxTracked = 50
	// perContainer columns: cores and bytes.
	perContainer = 2
	firstTracked = len(kept) * perResource
	numColumns   = firstTracked + perContainer*maxTracked

	fineStep, fineSpan     = time.Second, time.Hour
	coarseStep, coarseSpan = time.Minute, 24 * time.Hour
	// chooseEvery is how often containers that use more replace others, which have
	// to use less than half of that: their history is lost.
	chooseEvery = 10
)

// kept are the resources of which there is a history, in the order of the columns.
var kept = [...]string{resources.CPUs, resources.Mem}

// past is the history of the node in bounded memory: 118 columns of 3600 and of
// 1440 numbers.
type past struct {
	fine, coarse *ring
	minute       *mean
	tracked      [maxTracked]tracked
	ticks        int
}

// tracked is a container that has columns.
type tracked struct {
	snapshot.Key
	// recent is what it used lately, in cores, negative when it is gone.
	recent float64
	seen   bool
}

func newPast() *past {
	return &past{
		fine: newRing(fineStep, fineSpan, numColumns), coarse: newRing(coarseStep, coarseSpan, numColumns), minute: newMean(numColumns),
	}
}

// point is one tick: the values of the node and of all top-level containers.
type point struct {
	at         time.Time
	node       [len(kept)]amounts
	containers []use
}

// amounts are the values of a ResourceHistory at one tick, in its order.
type amounts struct {
	capacity, regularAllocated, regularUsage, peak, unmanaged   float32
	revocableAllocated, revocableUsage, revocableTotal, offered float32
}

func (a *amounts) columns() [perResource]float32 {
	return [perResource]float32{
		a.capacity, a.regularAllocated, a.regularUsage, a.peak, a.unmanaged,
		a.revocableAllocated, a.revocableUsage, a.revocableTotal, a.offered,
	}
}

// use is what a container uses.
type use struct {
	snapshot.Key
	cores, bytes float32
}

// known reports whether x is a number.
func known(x float32) bool { return !math.IsNaN(float64(x)) }

func pointOf(r *decision.Record, rows func(func(*snapshot.Container))) *point {
	p := &point{at: r.At}
	total, _ := r.Host.UsableMemory()
	capacity := [...]float32{unknown, unknown}
	if usable := r.Host.Usable(); usable.OK() {
		capacity[0] = float32(usable.V)
	}
	if total.OK() {
		capacity[1] = float32(total.N) / resources.MemUnitBytes
	}
	for k := range p.node {
		p.node[k] = amounts{
			capacity: capacity[k], regularAllocated: unknown, peak: unknown, unmanaged: unknown,
			revocableAllocated: unknown, revocableTotal: unknown, offered: unknown,
		}
	}
	rows(p.use)
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		k := slices.Index(kept[:], o.Resource)
		if k < 0 {
			continue
		}
		a := &p.node[k]
		if o.Allocated != nil {
			a.regularAllocated, a.revocableAllocated = float32(o.RegularAllocated.Float()), float32(o.RevocableAllocated.Float())
		}
		if o.Estimate != nil {
			a.peak, a.unmanaged = float32(o.Peak.Float()), float32(o.Unmanaged.Float())
		}
		a.revocableTotal, a.offered = float32(o.RevocableTotal.Float()), float32(o.Offered.Float())
	}
	return p
}

// use adds a container.
func (p *point) use(c *snapshot.Container) {
	if c.Parent != "" {
		return // its use is in its parent's
	}
	u := use{c.Key, unknown, unknown}
	var used [len(kept)]float32
	if c.CPU.Cores.OK() {
		u.cores = float32(c.CPU.Cores.V)
		used[0] = u.cores
	}
	if b := c.Memory.UnreclaimableBytes; b.OK() {
		u.bytes = float32(b.N)
		used[1] = u.bytes / resources.MemUnitBytes
	}
	p.containers = append(p.containers, u)
	for k := range p.node {
		if c.Class() == snapshot.ClassRevocable {
			p.node[k].revocableUsage += used[k]
		} else {
			p.node[k].regularUsage += used[k]
		}
	}
}

// add takes a tick in: the first one of each second.
func (h *past) add(p *point) {
	slot := h.fine.slot(p.at)
	newest := h.fine.newest()
	if slot == newest {
		return
	}
	if slot < newest { // the calendar was set back: what is later than now is no past
		*h = *newPast()
	}
	h.choose(p)
	var values [numColumns]float32
	for k := range p.node {
		row := p.node[k].columns()
		copy(values[k*perResource:], row[:])
	}
	columns := map[snapshot.Key]int{}
	for i := range h.tracked {
		t := &h.tracked[i]
		columns[t.Key], t.seen = firstTracked+perContainer*i, false
		values[columns[t.Key]], values[columns[t.Key]+1] = unknown, unknown
	}
	for _, u := range p.containers {
		c, ok := columns[u.Key]
		if !ok {
			continue
		}
		values[c], values[c+1] = u.cores, u.bytes
		t := &h.tracked[(c-firstTracked)/perContainer]
		t.seen = true
		if known(u.cores) {
			t.recent += (float64(u.cores) - max(0, t.recent)) / 10
		}
	}
	for i := range h.tracked {
		if t := &h.tracked[i]; !t.seen {
			t.recent = -1
		}
	}
	h.fine.add(slot, values[:])
	if minute := h.coarse.slot(p.at); minute != h.minute.slot {
		if h.minute.slot >= 0 {
			h.coarse.add(h.minute.slot, h.minute.take())
		}
		h.minute.slot = minute
	}
	h.minute.add(values[:])
}

// choose gives containers that use more than others a history in their stead.
func (h *past) choose(p *point) {
	h.ticks++
	if h.ticks%chooseEvery != 1 {
		return
	}
	others := slices.DeleteFunc(slices.Clone(p.containers), func(u use) bool {
		return !known(u.cores) || slices.ContainsFunc(h.tracked[:], func(t tracked) bool { return t.Key == u.Key })
	})
	slices.SortFunc(others, func(a, b use) int { return cmp.Or(cmp.Compare(b.cores, a.cores), a.Compare(b.Key)) })
	for _, u := range others[:min(len(others), maxTracked)] {
		least := 0
		for i := range h.tracked {
			if h.tracked[i].less(&h.tracked[least]) {
				least = i
			}
		}
		t := &h.tracked[least]
		if t.ID != "" && float64(u.cores) <= 2*t.recent {
			return
		}
		*t = tracked{Key: u.Key, recent: float64(u.cores)}
		for i := range perContainer {
			column := firstTracked + perContainer*least + i
			h.fine.forget(column)
			h.coarse.forget(column)
			h.minute.forget(column)
		}
	}
}

// less: t is to be replaced rather than o.
func (t *tracked) less(o *tracked) bool {
	if (t.ID == "") != (o.ID == "") {
		return t.ID == ""
	}
	return t.recent < o.recent
}

// within is the history of the time before the newest tick.
func (h *past) within(window time.Duration) *History {
	r := h.fine
	if window > fineSpan {
		r = h.coarse
	}
	first := r.since(time.Unix(0, h.fine.newest()*int64(fineStep)).Add(-window))
	out := &History{
		StepSeconds: int(r.step / time.Second), At: r.times(first), Resources: make([]ResourceHistory, len(kept)), Containers: []ContainerHistory{},
	}
	for k := range kept {
		out.Resources[k].Resource = kept[k]
		for i, s := range out.Resources[k].series() {
			*s = r.column(k*perResource+i, first)
		}
	}
	for i := range h.tracked {
		if t := &h.tracked[i]; t.ID != "" {
			column := firstTracked + perContainer*i
			out.Containers = append(out.Containers, ContainerHistory{t.Key, r.column(column, first), r.column(column+1, first)})
		}
	}
	return out
}

// history is the point alone, with all containers.
func (p *point) history() *History {
	out := &History{
		StepSeconds: int(fineStep / time.Second), At: []int64{p.at.Unix()},
		Resources: make([]ResourceHistory, len(kept)), Containers: make([]ContainerHistory, len(p.containers)),
	}
	for k := range kept {
		out.Resources[k].Resource = kept[k]
		row := p.node[k].columns()
		for i, s := range out.Resources[k].series() {
			*s = Series{row[i]}
		}
	}
	for i, u := range p.containers {
		out.Containers[i] = ContainerHistory{u.Key, Series{u.cores}, Series{u.bytes}}
	}
	return out
}
