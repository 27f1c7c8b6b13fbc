package estimator

import "time"

// windowBlocks is how finely a window is remembered: it reaches back between
// its length and one sixteenth more, in constant memory.
const windowBlocks = 16

// extreme is the most extreme of the values seen within a length of time, in
// the order of more: the greatest or the least of them.
type extreme[T any] struct {
	length time.Duration
	// more reports whether a is further out than b.
	more   func(a, b T) bool
	blocks []block[T]
}

// block is the extreme of the values from start on, for a sixteenth of the
// window.
type block[T any] struct {
	start time.Time
	value T
}

func newExtreme[T any](length time.Duration, more func(a, b T) bool) extreme[T] {
	return extreme[T]{length: length, more: more, blocks: make([]block[T], 0, windowBlocks+2)}
}

// add remembers v and returns the extreme of the window that ends at at.
// Values come in order of time.
func (e *extreme[T]) add(at time.Time, v T) T {
	width := e.length / windowBlocks
	old := 0
	for old < len(e.blocks) && at.Sub(e.blocks[old].start) > e.length+width {
		old++
	}
	e.blocks = append(e.blocks[:0], e.blocks[old:]...)
	if n := len(e.blocks); n > 0 && at.Sub(e.blocks[n-1].start) < width {
		if last := &e.blocks[n-1]; e.more(v, last.value) {
			last.value = v
		}
	} else {
		e.blocks = append(e.blocks, block[T]{start: at, value: v})
	}
	out := v
	for i := range e.blocks {
		if e.more(e.blocks[i].value, out) {
			out = e.blocks[i].value
		}
	}
	return out
}
