package qos

import (
	"cmp"
	"slices"
)

// comparator orders two containers that may be killed: below zero when a is
// the better victim, zero when it cannot tell.
type comparator func(a, b *weighed) int

// victimOrder is the order in which victims are taken: the first comparator
// that can tell decides. The last one always can.
var victimOrder = [...]comparator{byPriority, byOver, byRelief, byYouth, byID}

// byPriority takes what the operator values least.
func byPriority(a, b *weighed) int { return cmp.Compare(a.Priority, b.Priority) }

// overTolerance is how far above its own allocation, as a share of it, a
// container may read and still be within it: the samples behind a rate and the
// quota's 100 ms periods do not line up.
const overTolerance = 0.05

// byOver takes the one that is most above its own allocation: it breaks its
// own promise. Those within their allocation are equal here.
func byOver(a, b *weighed) int { return cmp.Compare(b.over(), a.over()) }

// over is how far w is above its own allocation, 0 when it is within it.
func (w *weighed) over() float64 {
	if w.Over <= overTolerance*(w.Usage-w.Over) {
		return 0
	}
	return w.Over
}

// byRelief takes the one whose end frees most, so that fewer must go.
func byRelief(a, b *weighed) int { return cmp.Compare(b.Usage, a.Usage) }

// byYouth takes the youngest: it loses the least work.
func byYouth(a, b *weighed) int { return b.c.FirstSeen.Compare(a.c.FirstSeen) }

// byID settles ties the same way every time, so that a replay agrees.
func byID(a, b *weighed) int { return a.Key.Compare(b.Key) }

// rank sorts best victim first: those that may be killed in victim order, then
// the others by id.
func rank(ws []*weighed) {
	slices.SortFunc(ws, func(a, b *weighed) int {
		switch {
		case a.eligible() != b.eligible():
			if a.eligible() {
				return -1
			}
			return 1
		case a.eligible():
			for _, by := range victimOrder {
				if n := by(a, b); n != 0 {
					return n
				}
			}
		}
		return byID(a, b)
	})
}
