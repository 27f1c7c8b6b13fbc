package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// played is a node of a trace in memory.
type played struct {
	cores    float64
	interval time.Duration
	steps    []Step
}

// memPerCore is the memory of a node per core in MiB, and memOf what a regular
// container has per core where a trace has none, and each task.
const memPerCore, memOf = 4096, 2048

// loadPlayed reads all nodes of a trace whose size is known.
func loadPlayed(ctx context.Context, path string, progress Progress) (all []*played, err error) {
	t, err := OpenTrace(path, TraceOptions{Progress: progress, Context: ctx})
	if err != nil {
		return nil, err
	}
	err = t.EachNode(func(n *Node) error {
		p := &played{cores: n.Cores, interval: t.Interval}
		var s Step
		for {
			more, err := n.Next(&s)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			p.steps = append(p.steps, Step{At: s.At, IDs: slices.Clone(s.IDs), Rows: slices.Clone(s.Rows)})
		}
		if p.cores > 0 && t.HasCPU {
			all = append(all, p)
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%w: %s has no node whose size is known and that has cpu", ErrOptions, path)
	}
	return all, err
}

// enter begins a step of a node's trace at second now.
func (f *fleet) enter(n *fleetNode, now int) {
	s := &n.played.steps[n.at]
	rows := s.Rows
	if f.rising(now) {
		rows = slices.Clone(rows)
		for i := range rows {
			rows[i].CPU.Used = min(rows[i].CPU.Used*riseBy, rows[i].CPU.Allocated)
		}
	}
	var sum bundle
	for i := range rows {
		r := &rows[i]
		sum.cpus += resources.FloorMilli(r.CPU.Allocated)
		if r.Memory.Present {
			sum.mem += resources.FloorMilli(r.Memory.Allocated)
		} else {
			sum.mem += resources.FloorMilli(r.CPU.Allocated * memOf)
		}
	}
	// The regular containers of the node are half of each framework's.
	for k, role := range f.prod {
		was, is := bundle{cpus: half(n.regular, k), mem: half(n.mem, k)}, bundle{cpus: half(sum.cpus, k), mem: half(sum.mem, k)}
		role.charge(was, -1)
		n.allocated.add(was, -1)
		role.charge(is, 1)
		n.allocated.add(is, 1)
	}
	n.regular, n.mem = sum.cpus, sum.mem
	if n.loop != nil {
		step := Step{At: s.At, IDs: s.IDs, Rows: rows}
		n.loop.enter(&step, timeOf(int64(now)))
	}
}

// rising: the demand of all is higher at second now.
func (f *fleet) rising(now int) bool {
	at := time.Duration(now)*time.Second - f.req.WarmUp - f.req.Rise
	return f.req.Rise >= 0 && at >= 0 && at < riseFor
}

// advance goes on in the node's trace, and ends tasks on regular resources.
func (f *fleet) advance(n *fleetNode, now int) {
	n.ends = slices.DeleteFunc(n.ends, func(t regularTask) bool {
		if t.end <= now {
			f.master.release(&n.agent, t.of.role, bundle{cpus: resources.Unit, mem: memOf / 2 * resources.Unit})
			if f.counting() {
				f.report.RegularHours += f.req.Length.Hours()
			}
			return true
		}
		return false
	})
	n.since += f.req.Tick
	changed := f.rising(now) != f.rising(now-int(f.req.Tick/time.Second))
	for n.since >= n.played.interval {
		n.since -= n.played.interval
		n.at = (n.at + 1) % len(n.played.steps)
		changed = true
	}
	if changed {
		f.enter(n, now)
	}
}

// half is the k-th half of an amount.
func half(x resources.Milli, k int) resources.Milli { return (x + resources.Milli(k)) / 2 }
