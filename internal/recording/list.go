package recording

import "fmt"

// A list that changes little from tick to tick is written as runs: how many
// entries of the list before are passed over, how many are the same, and how
// many are new; the new ones follow in whole. Entries keep their order, so that
// what is read is never longer than the list before and what is new together.

// lookAhead is how many entries are passed over at most in search of the same:
// beyond it an entry is written again, which costs bytes, but no time.
const lookAhead = 64

// fresh is the origin of an entry that is new.
const fresh = -1

// origins finds where each of n entries was among m before; same compares one of
// the former with one of the latter. It appends to from.
func origins(from []int32, n, m int, same func(i, j int) bool) []int32 {
	next := 0
	for i := range n {
		at := int32(fresh)
		for j := next; j < min(m, next+lookAhead); j++ {
			if same(i, j) {
				at, next = int32(j), j+1 //nolint:gosec // m is at most maxEntries
				break
			}
		}
		from = append(from, at)
	}
	return from
}

// runs is a list of origins; m is the length of the list before. Reading
// appends to from.
func (c *coder) runs(from []int32, m int) []int32 {
	if c.reading {
		return c.readRuns(from, m)
	}
	n := uint64(len(from))
	c.uvarint(&n)
	next := int32(0)
	for len(from) > 0 {
		var skip, run, news uint64
		if from[0] != fresh {
			skip = uint64(from[0] - next) //nolint:gosec // origins rise
			next = from[0]
		}
		for len(from) > 0 && from[0] == next {
			run, next, from = run+1, next+1, from[1:]
		}
		for len(from) > 0 && from[0] == fresh {
			news, from = news+1, from[1:]
		}
		c.uvarint(&skip)
		c.uvarint(&run)
		c.uvarint(&news)
	}
	return from
}

func (c *coder) readRuns(from []int32, m int) []int32 {
	var n, allNew uint64
	c.uvarint(&n)
	if n > maxEntries {
		c.fail(fmt.Errorf("a list of %d", n))
	}
	next, left := uint64(0), uint64(m) //nolint:gosec // a length
	for c.err == nil && uint64(len(from)) < n {
		var skip, run, news uint64
		c.uvarint(&skip)
		c.uvarint(&run)
		c.uvarint(&news)
		rest := n - uint64(len(from))
		// Each new entry takes a byte at least, of what follows.
		if skip > left || run > left-skip || run > rest || news > rest-run || run+news == 0 ||
			allNew+news > uint64(len(c.buf)) {
			c.fail(fmt.Errorf("%d passed over, %d the same and %d new of %d", skip, run, news, left))
			return from
		}
		for i := range run {
			from = append(from, int32(next+skip+i)) //nolint:gosec // less than m
		}
		for range news {
			from = append(from, fresh)
		}
		next, left, allNew = next+skip+run, left-skip-run, allNew+news
	}
	return from
}
