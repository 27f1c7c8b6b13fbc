package recording

import (
	"fmt"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// state is what both sides know of the tick before. Each file begins with an
// empty one, so that it can be read alone.
type state struct {
	strings  strTable
	seq      uint64
	at       uint64 // stamp
	interval uint64 // between the last two ticks, in ns
	treeWhy  snapshot.Absence
	host     snapshot.Host
	squeeze  snapshot.Contention
	usage    *snapshot.Usage
	// ahead is how far the calendar is ahead of At, in ns; policies that of the
	// inputs.
	ahead    uint64
	policies int

	// before are the containers of the tick before; ordered is room for the same
	// in the order of this tick.
	before, ordered []entry
	// from is where each entry of a list was in the list before.
	from  []int32
	table table
	// index is where each executor of usage is; for writing only.
	index map[*snapshot.Executor]uint64
}

// entry is a container of the tick before.
type entry struct {
	snapshot.Container
	// ref says which executor it had.
	ref uint64
}

// reset makes s what it is at the start of a file.
func (s *state) reset(reading bool) {
	clear(s.before)
	clear(s.ordered)
	*s = state{before: s.before[:0], ordered: s.ordered[:0], from: s.from, index: s.index}
	s.at = noTime
	if !reading {
		s.strings.numbers = make(map[string]uint64)
		if s.index == nil {
			s.index = make(map[*snapshot.Executor]uint64)
		}
		clear(s.index)
	}
}

// tick writes or reads one tick. Reading fills now, whose Containers are room
// to be used again.
func (s *state) tick(c *coder, now *snapshot.Snapshot, in *Inputs) {
	c.strings = &s.strings
	c.delta(&now.Seq, s.seq+1)
	c.time(&now.At, s.at+s.interval)
	at := c.stamp(now.At)
	c.why(&now.TreeWhy)
	host(c, &now.Host, &s.host, at)
	squeeze(c, &now.Contention, &s.squeeze, at)
	s.usageOf(c, now, at)
	s.containersOf(c, now, at)
	s.inputsOf(c, now, in, at)
	if c.err != nil {
		return
	}
	if s.at != noTime {
		s.interval = at - s.at
	}
	s.seq, s.at, s.treeWhy, s.host, s.squeeze = now.Seq, at, now.TreeWhy, now.Host, now.Contention
}

func host(c *coder, now, before *snapshot.Host, at uint64) {
	c.time(&now.At, at)
	count(c, &now.CPUs, before.CPUs)
	value(c, &now.UsableCPUs, before.UsableCPUs)
	from := byte(now.CapacityFrom)
	c.octet(&from)
	if c.reading {
		if from > byte(snapshot.CapacityQuota) {
			c.fail(fmt.Errorf("a capacity from %d", from))
		}
		now.CapacityFrom = snapshot.CapacityFrom(from)
	}
	value(c, &now.BusyCores, before.BusyCores)
	value(c, &now.Load1, before.Load1)
	value(c, &now.Load5, before.Load5)
	value(c, &now.Load15, before.Load15)
	count(c, &now.MemTotalBytes, before.MemTotalBytes)
	count(c, &now.MemAvailableBytes, before.MemAvailableBytes)
	p, q := &now.Pressure, &before.Pressure
	value(c, &p.CPUSome, q.CPUSome)
	value(c, &p.MemorySome, q.MemorySome)
	value(c, &p.MemoryFull, q.MemoryFull)
	value(c, &p.IOSome, q.IOSome)
	value(c, &p.IOFull, q.IOFull)
	count(c, &p.CPUSomeMicros, q.CPUSomeMicros)
	if c.version < withContention {
		now.UsableMemBytes, now.UsableMemAvailableBytes, now.MemoryFrom = snapshot.Count{}, snapshot.Count{}, 0
		return
	}
	count(c, &now.UsableMemBytes, before.UsableMemBytes)
	count(c, &now.UsableMemAvailableBytes, before.UsableMemAvailableBytes)
	word(c, &now.MemoryFrom, snapshot.NumMemoryFroms)
}

// squeeze is what the fast lane saw last.
func squeeze(c *coder, now, before *snapshot.Contention, at uint64) {
	if c.version < withContention {
		*now = snapshot.Contention{}
		return
	}
	word(c, &now.State, snapshot.NumContentionStates)
	word(c, &now.Why, snapshot.NumContentionWhys)
	c.time(&now.At, at)
	c.string(&now.Container)
	c.float(&now.Degree, before.Degree)
	c.time(&now.Since, c.stamp(before.Since))
	c.int(&now.Regular, before.Regular)
	c.int(&now.Watched, before.Watched)
	c.int(&now.Judged, before.Judged)
	c.int(&now.Every, before.Every)
	c.flag(&now.Wake)
}

func count(c *coder, v *snapshot.Count, before snapshot.Count) {
	c.why(&v.Why)
	c.delta(&v.N, before.N)
}

func value(c *coder, v *snapshot.Value, before snapshot.Value) {
	c.why(&v.Why)
	c.float(&v.V, before.V)
}
