package recording

import (
	"errors"
	"fmt"
	"slices"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// What a tick says of the agent's report.
const (
	usageNone byte = iota
	usageSame
	usageNew
)

// usageOf is the agent's report, in whole only when it is another than the tick
// before had.
func (s *state) usageOf(c *coder, now *snapshot.Snapshot, at uint64) {
	what := usageNew
	switch now.Usage {
	case nil:
		what = usageNone
	case s.usage:
		what = usageSame
	}
	c.octet(&what)
	switch what {
	case usageNone:
		s.keepUsage(c, nil)
		if c.reading {
			now.Usage = nil
		}
	case usageSame:
		if c.reading {
			if s.usage == nil {
				c.fail(errors.New("the same report as before, but there was none"))
				return
			}
			now.Usage = s.usage
		}
	case usageNew:
		u := now.Usage
		if c.reading {
			u = &snapshot.Usage{}
		}
		s.report(c, u, at)
		s.keepUsage(c, u)
		if c.reading {
			now.Usage = u
		}
	default:
		c.fail(fmt.Errorf("a report of kind %d", what))
	}
}

// keepUsage makes u the report of the tick before the next.
func (s *state) keepUsage(c *coder, u *snapshot.Usage) {
	if s.usage == u {
		return
	}
	s.usage = u
	if !c.reading {
		clear(s.index)
		if u != nil {
			for i := range u.Executors {
				s.index[&u.Executors[i]] = uint64(i) //nolint:gosec // an index
			}
		}
	}
}

func (s *state) report(c *coder, u *snapshot.Usage, at uint64) {
	c.time(&u.At, at)
	c.string(&u.Agent)
	c.quantities(&u.Total)
	dropped := uint64(u.Dropped) //nolint:gosec // the bits are meant
	c.delta(&dropped, 0)
	c.quantities(&u.DroppedRevocable)
	if c.reading {
		u.Dropped = int(dropped) //nolint:gosec // inverse of the above
	}
	var before []snapshot.Executor
	if s.usage != nil {
		before = s.usage.Executors
	}
	if !c.reading {
		if len(u.Executors) > maxEntries {
			c.fail(fmt.Errorf("%w: %d executors", ErrTooLarge, len(u.Executors)))
			return
		}
		s.from = origins(s.from[:0], len(u.Executors), len(before), func(i, j int) bool {
			return sameExecutor(&u.Executors[i], &before[j])
		})
		c.runs(s.from, len(before))
	} else {
		s.from = c.runs(s.from[:0], len(before))
		u.Executors = make([]snapshot.Executor, len(s.from))
	}
	for i, from := range s.from {
		switch {
		case from == fresh:
			executor(c, &u.Executors[i])
		case c.reading:
			u.Executors[i] = before[from]
		}
		if c.err != nil {
			return
		}
	}
}

func executor(c *coder, e *snapshot.Executor) {
	c.string(&e.ContainerID)
	c.string(&e.FrameworkID)
	c.string(&e.ExecutorID)
	c.string(&e.Name)
	c.string(&e.Source)
	c.string(&e.Role)
	labels(c, &e.Labels)
	c.quantities(&e.Regular)
	c.quantities(&e.Revocable)
	class := byte(e.Class)
	c.octet(&class)
	if c.reading {
		if class > byte(snapshot.ClassShared) {
			c.fail(fmt.Errorf("a class of %d", class))
			return
		}
		e.Class = snapshot.Class(class)
	}
	n := c.length(len(e.Tasks))
	if c.reading && n > 0 {
		e.Tasks = make([]snapshot.Task, n)
	}
	for i := range e.Tasks {
		t := &e.Tasks[i]
		c.string(&t.ID)
		c.string(&t.Name)
		c.quantities(&t.Regular)
		c.quantities(&t.Revocable)
		labels(c, &t.Labels)
	}
	c.flag(&e.HasStatistics)
}

func labels(c *coder, l *[]snapshot.Label) {
	n := c.length(len(*l))
	if c.reading && n > 0 {
		*l = make([]snapshot.Label, n)
	}
	for i := range *l {
		c.string(&(*l)[i].Key)
		c.string(&(*l)[i].Value)
	}
}

func sameExecutor(a, b *snapshot.Executor) bool {
	return a.ContainerID == b.ContainerID && a.FrameworkID == b.FrameworkID && a.ExecutorID == b.ExecutorID &&
		a.Name == b.Name && a.Source == b.Source && a.Role == b.Role && a.Class == b.Class &&
		a.HasStatistics == b.HasStatistics && sameQuantities(a.Regular, b.Regular) &&
		sameQuantities(a.Revocable, b.Revocable) && slices.Equal(a.Labels, b.Labels) &&
		slices.EqualFunc(a.Tasks, b.Tasks, sameTask)
}

func sameTask(a, b snapshot.Task) bool {
	return a.ID == b.ID && a.Name == b.Name && sameQuantities(a.Regular, b.Regular) &&
		sameQuantities(a.Revocable, b.Revocable) && slices.Equal(a.Labels, b.Labels)
}

func sameQuantities(a, b resources.Quantities) bool { return slices.Equal(a, b) }
