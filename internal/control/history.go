package control

import (
	"cmp"
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
	// chooseEvery so many ticks, containers that use more replace others, which have
	// to use less than half of that: their history is lost.
	chooseEvery = 10
)

// kept are the resources of which there is a history, in the order of the columns.
var kept = [...]string{resources.CPUs, resources.Mem}

// past is the history of the node in bounded memory: 118 columns of 3600 and of
// 1440 numbers.
type past struct {
	fine, coarse *ring
	tracked      [maxTracked]tracked
	ticks        int
}

// tracked is a container that has columns.
type tracked struct {
	snapshot.Key
	// recent is what it used lately, in cores, negative when it is gone.
	recent float64
}

func newPast() *past {
	return &past{fine: newRing(fineStep, fineSpan, numColumns), coarse: newRing(coarseStep, coarseSpan, numColumns)}
}

// pointOf are the values of one tick, with all top-level containers.
func pointOf(r *decision.Record, rows func(func(*snapshot.Container))) *History {
	h := &History{
		StepSeconds: int(fineStep / time.Second), At: []int64{r.At.Unix()},
		Resources: make([]ResourceHistory, len(kept)), Containers: []ContainerHistory{}, Events: []Event{},
	}
	for k := range kept {
		h.Resources[k].Resource = kept[k]
		for _, s := range h.Resources[k].series() {
			*s = Series{unknown}
		}
		h.Resources[k].RegularUsage[0], h.Resources[k].RevocableUsage[0] = 0, 0
	}
	if cores := r.Host.Usable(); cores.OK() {
		h.Resources[0].Capacity[0] = float32(cores.V)
	}
	if bytes, _ := r.Host.UsableMemory(); bytes.OK() {
		h.Resources[1].Capacity[0] = float32(bytes.N) / resources.MemUnitBytes
	}
	rows(h.use)
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		k := slices.Index(kept[:], o.Resource)
		if k < 0 {
			continue
		}
		to := &h.Resources[k]
		set := func(s Series, v resources.Milli) { s[0] = float32(v.Float()) }
		set(to.RevocableTotal, o.RevocableTotal)
		set(to.Offered, o.Offered)
		if o.Allocated != nil {
			set(to.RegularAllocated, o.RegularAllocated)
			set(to.RevocableAllocated, o.RevocableAllocated)
		}
		if o.Estimate != nil {
			set(to.Peak, o.Peak)
			set(to.Unmanaged, o.Unmanaged)
		}
	}
	return h
}

// use adds what a container uses to a point.
func (h *History) use(c *snapshot.Container) {
	if c.Parent != "" {
		return // its use is in its parent's
	}
	values := Series{unknown, unknown}
	var used [len(kept)]float32
	if c.CPU.Cores.OK() {
		values[0] = float32(c.CPU.Cores.V)
		used[0] = values[0]
	}
	if b := c.Memory.UnreclaimableBytes; b.OK() {
		values[1] = float32(b.N)
		used[1] = values[1] / resources.MemUnitBytes
	}
	h.Containers = append(h.Containers, ContainerHistory{c.Key, values[:1], values[1:]})
	for k := range used {
		sum := h.Resources[k].RegularUsage
		if c.Class() == snapshot.ClassRevocable {
			sum = h.Resources[k].RevocableUsage
		}
		sum[0] += used[k]
	}
}

// add takes a tick in.
func (h *past) add(at time.Time, p *History) {
	if at.Unix() < h.fine.newest() { // the calendar was set back: what is later than now is no past
		*h = *newPast()
	}
	if h.ticks++; h.ticks%chooseEvery == 1 {
		h.choose(p.Containers)
	}
	values := make(Series, 0, numColumns)
	for k := range p.Resources {
		for _, s := range p.Resources[k].series() {
			values = append(values, (*s)[0])
		}
	}
	for i := range h.tracked {
		t := &h.tracked[i]
		k, found := slices.BinarySearchFunc(p.Containers, t.Key, func(c ContainerHistory, k snapshot.Key) int { return c.Compare(k) })
		if !found {
			t.recent = -1
			values = append(values, unknown, unknown)
			continue
		}
		c := &p.Containers[k]
		if cores := c.Cores[0]; known(cores) {
			t.recent += (float64(cores) - max(0, t.recent)) / chooseEvery
		}
		values = append(values, c.Cores[0], c.UnreclaimableBytes[0])
	}
	h.fine.add(at, values)
	h.coarse.add(at, values)
}

// choose gives containers that use more than others a history in their stead.
func (h *past) choose(all []ContainerHistory) {
	others := slices.DeleteFunc(slices.Clone(all), func(c ContainerHistory) bool {
		return !known(c.Cores[0]) || slices.ContainsFunc(h.tracked[:], func(t tracked) bool { return t.Key == c.Key })
	})
	slices.SortFunc(others, func(a, b ContainerHistory) int { return cmp.Or(cmp.Compare(b.Cores[0], a.Cores[0]), a.Compare(b.Key)) })
	for _, c := range others {
		least := 0
		for i := range h.tracked {
			if h.tracked[i].recent < h.tracked[least].recent || h.tracked[least].ID != "" && h.tracked[i].ID == "" {
				least = i
			}
		}
		t, cores := &h.tracked[least], float64(c.Cores[0])
		if t.ID != "" && cores <= 2*t.recent {
			return
		}
		*t = tracked{c.Key, cores}
		for column := range perContainer {
			h.fine.forget(firstTracked + perContainer*least + column)
			h.coarse.forget(firstTracked + perContainer*least + column)
		}
	}
}

// within is the history of the time before the newest tick, without events.
func (h *past) within(span time.Duration) *History {
	r := h.fine
	if span > fineSpan {
		r = h.coarse
	}
	times, column := r.window(span)
	out := &History{
		StepSeconds: int(r.step / time.Second), At: times, Resources: make([]ResourceHistory, len(kept)), Containers: []ContainerHistory{}, Events: []Event{},
	}
	for k := range kept {
		out.Resources[k].Resource = kept[k]
		for i, s := range out.Resources[k].series() {
			*s = column(k*perResource + i)
		}
	}
	for i := range h.tracked {
		if t := &h.tracked[i]; t.ID != "" {
			first := firstTracked + perContainer*i
			out.Containers = append(out.Containers, ContainerHistory{t.Key, column(first), column(first + 1)})
		}
	}
	return out
}
