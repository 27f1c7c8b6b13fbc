package predict

import "time"

// windowBlocks is the number of blocks a sliding maximum is made of. With 12
// the window is at most 1/12 too long; on the reference traces that changes no
// result in the third digit, and neither do 6 blocks.
const windowBlocks = 12

// blockMax is a sliding maximum in constant space: the maximum of each block
// of a twelfth of the window, and of the block under way.
type blockMax struct {
	// blocks is a ring; the entry of the blockClock's slot is under way.
	blocks [windowBlocks + 1]float32
	// done is the maximum of the others.
	done float32
}

// add takes a reading into the block under way.
func (b *blockMax) add(slot int, value float64) {
	b.blocks[slot] = max(b.blocks[slot], float32(value))
}

// max is the maximum over the window.
func (b *blockMax) max(slot int) float64 {
	return float64(max(b.done, b.blocks[slot]))
}

// turn starts n new blocks, the last of which is slot.
func (b *blockMax) turn(slot, n int) {
	for i := range min(n, len(b.blocks)) {
		b.blocks[(slot-i+len(b.blocks))%len(b.blocks)] = 0
	}
	b.done = 0
	for i, m := range b.blocks {
		if i != slot {
			b.done = max(b.done, m)
		}
	}
}

// blockClock tells all the blockMaxes of one window which block is under way.
// Blocks are cut at multiples of their length since 1970, so that a missing
// tick or a pause drops what has become too old.
type blockClock struct {
	length time.Duration
	block  int64
	slot   int
	// begun is false until the first reading.
	begun bool
}

func newBlockClock(window time.Duration) blockClock {
	return blockClock{length: max(window/windowBlocks, time.Nanosecond)}
}

// advance moves to time at and returns how many new blocks have begun since;
// time never runs backwards.
func (c *blockClock) advance(at time.Time) int {
	block := at.UnixNano() / int64(c.length)
	if !c.begun {
		c.begun, c.block = true, block
	}
	if block <= c.block {
		return 0
	}
	turns := int(min(block-c.block, windowBlocks+1))
	c.slot = int((int64(c.slot) + block - c.block) % (windowBlocks + 1))
	c.block = block
	return turns
}
