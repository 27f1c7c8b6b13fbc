package recording

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	pb "github.com/estimatord/estimatord/internal/recording/recordingpb"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// columns are the readings of several T, of a tick and of the one before.
type columns[T any] struct {
	*codec
	now, before []T
}

// count is one column of counts.
func (c *columns[T]) count(field **pb.Counts, of func(*T) *snapshot.Count) {
	if c.reading {
		p := *field
		kept := c.check(p == nil, len(p.GetDelta()), p.GetWhy())
		for i := range c.now {
			now, before := of(&c.now[i]), of(&c.before[i])
			*now = *before
			if !kept {
				now.N, now.Why = before.N+uint64(p.GetDelta()[i]), snapshot.Absence(p.GetWhy()[i]) //nolint:gosec // differences wrap
			}
		}
		return
	}
	p, changed := &pb.Counts{Delta: make([]int64, len(c.now)), Why: make([]byte, len(c.now))}, false
	for i := range c.now {
		now, before := of(&c.now[i]), of(&c.before[i])
		p.Delta[i], p.Why[i] = int64(now.N-before.N), byte(now.Why) //nolint:gosec // differences wrap
		changed = changed || *now != *before
	}
	if changed {
		*field = p
	}
}

// value is one column of values. Where guess is not nil, it takes the place of
// the number before.
func (c *columns[T]) value(field **pb.Values, of func(*T) *snapshot.Value, guess func(i int) float64) {
	if guess == nil {
		guess = func(i int) float64 { return of(&c.before[i]).V }
	}
	if c.reading {
		p := *field
		kept := c.check(p == nil, len(p.GetBits()), p.GetWhy())
		for i := range c.now {
			now := of(&c.now[i])
			*now = snapshot.Value{Why: of(&c.before[i]).Why}
			diff := uint64(0)
			if !kept {
				now.Why, diff = snapshot.Absence(p.GetWhy()[i]), p.GetBits()[i]
			}
			now.V = math.Float64frombits(bits.ReverseBytes64(diff) ^ math.Float64bits(guess(i)))
		}
		return
	}
	p, changed := &pb.Values{Bits: make([]uint64, len(c.now)), Why: make([]byte, len(c.now))}, false
	for i := range c.now {
		now := of(&c.now[i])
		p.Bits[i] = bits.ReverseBytes64(math.Float64bits(now.V) ^ math.Float64bits(guess(i)))
		p.Why[i] = byte(now.Why)
		changed = changed || p.Bits[i] != 0 || now.Why != of(&c.before[i]).Why
	}
	if changed {
		*field = p
	}
}

// time is one column of times, as the difference from the time at the tick before
// (at the first tick: from that of the tick) and from passed. A column that is
// as that says is left out.
func (c *columns[T]) time(field *[]int64, of func(*T) *time.Time, passed int64) {
	guess := func(i int) int64 {
		if t := of(&c.before[i]); !t.IsZero() {
			return c.stamp(*t) + passed
		}
		return c.at
	}
	if c.reading {
		kept := len(*field) == 0
		if !kept && len(*field) != len(c.now) {
			c.fail(fmt.Errorf("a column of %d times for %d", len(*field), len(c.now)))
			return
		}
		for i := range c.now {
			stamp := guess(i)
			if !kept {
				stamp += (*field)[i]
			}
			*of(&c.now[i]) = timeOf(stamp)
		}
		return
	}
	column, changed := make([]int64, len(c.now)), false
	for i := range c.now {
		column[i] = c.stamp(*of(&c.now[i])) - guess(i)
		changed = changed || column[i] != 0
	}
	if changed {
		*field = column
	}
}

// check reports whether a column is as before: because it was left out, or
// because it is wrong.
func (c *columns[T]) check(left bool, numbers int, why []byte) (kept bool) {
	if left {
		return true
	}
	if numbers != len(c.now) || len(why) != len(c.now) {
		c.fail(fmt.Errorf("a column of %d numbers and %d reasons for %d", numbers, len(why), len(c.now)))
		return true
	}
	for _, w := range why {
		if int(w) >= snapshot.NumAbsences {
			c.fail(fmt.Errorf("a reason of %d", w))
			return true
		}
	}
	return false
}
