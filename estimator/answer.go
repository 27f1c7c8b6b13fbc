package estimator

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Answer is what the agent may be told at time now that is offered, with the
// report u that came with its request and is newer than the one of the tick:
//
//	offered = max(0, revocable total − Σ regular that left − Σ revocable now)
//
// A regular container that left since the tick takes its slack with it, and
// one that came may need all of its allocation. How much slack the one had is
// not known before the next tick; the whole of what it was allocated is the
// safe bound. One that came changes nothing, since it adds to the allocation
// what it adds to the peak. Where reservations are offered, what their owners have
// allocated since is taken off as well.
//
// Of a resource whose offer was stopped nothing is offered, also when a task has
// ended since. The answer is empty when the offer is older than ValidFor, or from a clock
// that far ahead. Without a report nothing counts as allocated, which only an
// offer that does not depend on one may be answered with.
func (o Offer) Answer(u *snapshot.Usage, now time.Time) resources.Quantities {
	if age := now.Sub(o.At); o.ValidFor > 0 && (age > o.ValidFor || age < -o.ValidFor) {
		return nil
	}
	if u == nil && o.Report != nil {
		return nil
	}
	var revocable, left resources.Quantities
	newer := u != nil && o.Report != nil && o.Report != u
	if u != nil {
		revocable = u.Revocable()
	}
	if newer {
		left = departed(o.Report, u)
	}
	var offered resources.Quantities
	for i := range o.Resources {
		r := &o.Resources[i]
		if r.Why == reason.Stopped {
			continue
		}
		amount := r.RevocableTotal.Plus(-max(0, revocable.Get(r.Resource)))
		if newer && (r.Estimate != nil || r.Allocation == nil) {
			amount = amount.Plus(-left.Get(r.Resource))
		}
		if newer && r.Allocation != nil {
			amount = amount.Plus(-o.roles.reclaimed(r.Resource, o.Report, u))
		}
		if amount > 0 {
			offered.Set(r.Resource, amount)
		}
	}
	return offered
}

// departed is Σ over the containers of then by how much their regular
// allocation has shrunk by now. A container that was regular and is not any
// more makes no slack now, and counts as gone.
func departed(then, now *snapshot.Usage) resources.Quantities {
	present := make(map[string]*snapshot.Executor, len(now.Executors))
	for i := range now.Executors {
		present[now.Executors[i].ContainerID] = &now.Executors[i]
	}
	var left resources.Quantities
	for i := range then.Executors {
		was := &then.Executors[i]
		is := present[was.ContainerID]
		if is != nil && was.Class == snapshot.ClassRegular && is.Class != snapshot.ClassRegular {
			is = nil
		}
		for _, q := range was.Regular {
			var remains resources.Milli
			if is != nil {
				remains = is.Regular.Get(q.Name)
			}
			left.Add(q.Name, max(0, q.Amount-remains))
		}
	}
	return left
}
