package recording

import (
	"fmt"
	"math"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// containersOf is the list of containers: who they are where that changed, and
// then column by column what was read of them, so that a column in which nothing
// changed takes a byte.
func (s *state) containersOf(c *coder, now *snapshot.Snapshot, at uint64) {
	if !c.reading && len(now.Containers) > maxEntries {
		c.fail(fmt.Errorf("%w: %d containers", ErrTooLarge, len(now.Containers)))
		return
	}
	s.identities(c, now, at)
	if c.err != nil {
		return
	}
	s.executors(c, now)
	t := &s.table // not on the stack: the guesses are called through pointers
	*t = table{c: c, now: now.Containers, before: s.before, at: at, elapsed: at - s.at}
	t.readTimes()
	t.cpu()
	for _, column := range plainCounts {
		t.counts(column, nil)
	}
	t.counts(workingSet, predictWorkingSet)
	for _, column := range plainValues {
		t.values(column, nil)
	}
	t.statTimes()
	if c.version >= withContention {
		for _, column := range laterValues {
			t.values(column, nil)
		}
	}
	if c.err != nil {
		return
	}
	for i := range s.before {
		s.before[i].Container = now.Containers[i]
	}
	*t = table{}
}

// identities makes s.before as long as this tick's list and in its order; an
// entry that is new is empty. Reading also makes now.Containers that.
func (s *state) identities(c *coder, now *snapshot.Snapshot, at uint64) {
	changed := !c.reading && !s.sameList(now.Containers)
	c.flag(&changed)
	if changed {
		if !c.reading {
			s.from = origins(s.from[:0], len(now.Containers), len(s.before), func(i, j int) bool {
				return sameContainer(&now.Containers[i], &s.before[j].Container)
			})
			c.runs(s.from, len(s.before))
		} else {
			s.from = c.runs(s.from[:0], len(s.before))
		}
		s.ordered = s.ordered[:0]
		for i, from := range s.from {
			if from != fresh {
				s.ordered = append(s.ordered, s.before[from])
				continue
			}
			var e entry
			if !c.reading {
				e.Container = identity(&now.Containers[i])
			}
			who(c, &e.Container, at)
			if c.err != nil {
				return
			}
			s.ordered = append(s.ordered, e)
		}
		clear(s.before)
		s.before, s.ordered = s.ordered, s.before[:0]
	}
	if c.reading {
		clear(now.Containers[min(len(s.before), len(now.Containers)):])
		now.Containers = now.Containers[:0]
		for i := range s.before {
			now.Containers = append(now.Containers, s.before[i].Container)
		}
	}
}

func (s *state) sameList(now []snapshot.Container) bool {
	if len(now) != len(s.before) {
		return false
	}
	for i := range now {
		if !sameContainer(&now[i], &s.before[i].Container) {
			return false
		}
	}
	return true
}

func sameContainer(a, b *snapshot.Container) bool {
	return a.Inode == b.Inode && a.ID == b.ID && a.Parent == b.Parent && a.OnDisk == b.OnDisk && a.FirstSeen.Equal(b.FirstSeen)
}

// identity is what sameContainer compares.
func identity(o *snapshot.Container) snapshot.Container {
	return snapshot.Container{Key: o.Key, Parent: o.Parent, OnDisk: o.OnDisk, FirstSeen: o.FirstSeen}
}

func who(c *coder, o *snapshot.Container, at uint64) {
	c.string(&o.ID)
	c.delta(&o.Inode, 0)
	c.string(&o.Parent)
	c.flag(&o.OnDisk)
	c.time(&o.FirstSeen, at)
}

// References to executors: none, one that is written out, or (from 2) one of
// the report.
const (
	refNone uint64 = iota
	refWhole
	refFirst
)

// executors says whose containers they are: for each 0 when that is as before,
// or 1 + the reference.
func (s *state) executors(c *coder, now *snapshot.Snapshot) {
	changed := false
	if !c.reading {
		for i := range now.Containers {
			if e := &s.before[i]; !s.sameRef(e, now.Containers[i].Executor) {
				changed = true
				break
			}
		}
	}
	c.flag(&changed)
	for i := range s.before {
		e, o := &s.before[i], &now.Containers[i]
		var code uint64
		if changed {
			if !c.reading && !s.sameRef(e, o.Executor) {
				code = s.refOf(o.Executor) + 1
			}
			c.uvarint(&code)
		}
		if code > 0 {
			e.ref = code - 1
		}
		if !c.reading {
			if code == refWhole+1 {
				executor(c, o.Executor)
			}
			continue
		}
		switch {
		case e.ref == refNone:
			o.Executor = nil
		case e.ref == refWhole && code == 0:
			o.Executor = e.Executor
		case e.ref == refWhole:
			o.Executor = &snapshot.Executor{}
			executor(c, o.Executor)
		case s.usage == nil || e.ref-refFirst >= uint64(len(s.usage.Executors)):
			c.fail(fmt.Errorf("executor %d, which is not reported", e.ref-refFirst))
			return
		default:
			o.Executor = &s.usage.Executors[e.ref-refFirst]
		}
	}
}

// sameRef reports whether x is what the reference of e means in this tick.
func (s *state) sameRef(e *entry, x *snapshot.Executor) bool {
	switch e.ref {
	case refNone:
		return x == nil
	case refWhole:
		return x == e.Executor
	}
	i := e.ref - refFirst
	return s.usage != nil && i < uint64(len(s.usage.Executors)) && x == &s.usage.Executors[i]
}

func (s *state) refOf(x *snapshot.Executor) uint64 {
	if x == nil {
		return refNone
	}
	if i, ok := s.index[x]; ok {
		return refFirst + i
	}
	return refWhole
}

// table is what was read of the containers in this tick and the one before, in
// the same order.
type table struct {
	c      *coder
	now    []snapshot.Container
	before []entry
	// at is the stamp of the tick, elapsed what passed since the one before.
	at, elapsed uint64
	// lag is what the clock of rates measured beyond elapsed.
	lag uint64
}

// plainCounts and plainValues are the columns whose best guess is that nothing
// changed. Their order is the format.
var plainCounts = [...]func(*snapshot.Container) *snapshot.Count{
	func(o *snapshot.Container) *snapshot.Count { return &o.CPU.Periods },
	func(o *snapshot.Container) *snapshot.Count { return &o.CPU.ThrottledPeriods },
	func(o *snapshot.Container) *snapshot.Count { return &o.CPU.ThrottledNanos },
	func(o *snapshot.Container) *snapshot.Count { return &o.Memory.UsageBytes },
	func(o *snapshot.Container) *snapshot.Count { return &o.Memory.AnonBytes },
	func(o *snapshot.Container) *snapshot.Count { return &o.Memory.ReclaimableBytes },
	func(o *snapshot.Container) *snapshot.Count { return &o.Pids },
	func(o *snapshot.Container) *snapshot.Count { return &o.Pressure.CPUSomeMicros },
}

var plainValues = [...]func(*snapshot.Container) *snapshot.Value{
	func(o *snapshot.Container) *snapshot.Value { return &o.Pressure.CPUSome },
	func(o *snapshot.Container) *snapshot.Value { return &o.Pressure.MemorySome },
	func(o *snapshot.Container) *snapshot.Value { return &o.Pressure.MemoryFull },
	func(o *snapshot.Container) *snapshot.Value { return &o.Pressure.IOSome },
	func(o *snapshot.Container) *snapshot.Value { return &o.Pressure.IOFull },
}

// laterValues came with version 2.
var laterValues = [...]func(*snapshot.Container) *snapshot.Value{
	func(o *snapshot.Container) *snapshot.Value { return &o.CPU.QuotaCores },
	func(o *snapshot.Container) *snapshot.Value { return &o.CPU.RunDelay },
}

func cpuUsage(o *snapshot.Container) *snapshot.Count   { return &o.CPU.UsageNanos }
func cpuCores(o *snapshot.Container) *snapshot.Value   { return &o.CPU.Cores }
func workingSet(o *snapshot.Container) *snapshot.Count { return &o.Memory.UnreclaimableBytes }

// Bits that begin a column: which of its halves differ from the guess.
const (
	whysDiffer byte = 1 << iota
	numbersDiffer
)

// counts is a column of whole numbers by their difference from guess, or from
// the tick before when there is none.
func (t *table) counts(get func(*snapshot.Container) *snapshot.Count, guess func(t *table, i int) uint64) {
	known := func(i int) uint64 {
		if guess != nil {
			return guess(t, i)
		}
		return get(&t.before[i].Container).N
	}
	var differ byte
	if !t.c.reading {
		for i := range t.now {
			v := get(&t.now[i])
			if v.Why != get(&t.before[i].Container).Why {
				differ |= whysDiffer
			}
			if v.N != known(i) {
				differ |= numbersDiffer
			}
		}
	}
	t.c.differ(&differ)
	if differ&whysDiffer != 0 {
		for i := range t.now {
			t.c.why(&get(&t.now[i]).Why)
		}
	}
	for i := range t.now {
		v := get(&t.now[i])
		switch {
		case differ&numbersDiffer != 0:
			t.c.delta(&v.N, known(i))
		case t.c.reading:
			v.N = known(i)
		}
	}
}

// values is the same for numbers that are not whole. The two are not one generic
// function, since its indirect calls make a tick a third to two fifths dearer.
func (t *table) values(get func(*snapshot.Container) *snapshot.Value, guess func(t *table, i int) float64) {
	known := func(i int) float64 {
		if guess != nil {
			return guess(t, i)
		}
		return get(&t.before[i].Container).V
	}
	var differ byte
	if !t.c.reading {
		for i := range t.now {
			v := get(&t.now[i])
			if v.Why != get(&t.before[i].Container).Why {
				differ |= whysDiffer
			}
			if math.Float64bits(v.V) != math.Float64bits(known(i)) {
				differ |= numbersDiffer
			}
		}
	}
	t.c.differ(&differ)
	if differ&whysDiffer != 0 {
		for i := range t.now {
			t.c.why(&get(&t.now[i]).Why)
		}
	}
	for i := range t.now {
		v := get(&t.now[i])
		switch {
		case differ&numbersDiffer != 0:
			t.c.float(&v.V, known(i))
		case t.c.reading:
			v.V = known(i)
		}
	}
}

func (c *coder) differ(v *byte) {
	c.octet(v)
	if c.reading && *v > whysDiffer|numbersDiffer {
		c.fail(fmt.Errorf("a column that begins with %d", *v))
		*v = 0
	}
}
