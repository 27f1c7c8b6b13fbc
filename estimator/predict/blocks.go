package predict

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

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

// MarshalJSON writes the maximum of each block.
func (b *blockMax) MarshalJSON() ([]byte, error) { return json.Marshal(b.blocks) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *blockMax) UnmarshalJSON(text []byte) error {
	var blocks []float32
	if err := json.Unmarshal(text, &blocks); err != nil {
		return err
	}
	if len(blocks) != len(b.blocks) || slices.Min(blocks) < 0 {
		return fmt.Errorf("%v are no maxima of %d blocks", blocks, len(b.blocks))
	}
	copy(b.blocks[:], blocks)
	b.done = slices.Max(blocks)
	return nil
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
// Blocks are cut at multiples of their length, so that a missing tick or a pause
// drops what has become too old.
type blockClock struct {
	Length time.Duration `json:"block_ns"`
	// Block is the number of the block under way since 1970, -1 before the first
	// reading.
	Block int64 `json:"block"`
	Slot  int   `json:"slot"`
}

func newBlockClock(window time.Duration) blockClock {
	return blockClock{Length: max(window/windowBlocks, time.Nanosecond), Block: -1}
}

// advance moves to time at and returns how many new blocks have begun since;
// time never runs backwards.
func (c *blockClock) advance(at time.Time) int {
	block := at.UnixNano() / int64(c.Length)
	if c.Block < 0 {
		c.Block = block
	}
	if block <= c.Block {
		return 0
	}
	turns := int(min(block-c.Block, windowBlocks+1))
	c.Slot = int((int64(c.Slot) + block - c.Block) % (windowBlocks + 1))
	c.Block = block
	return turns
}

// check refuses a clock that is not one of blocks of that length at time at.
func (c *blockClock) check(length time.Duration, at time.Time) error {
	if c.Length != length || c.Block != at.UnixNano()/int64(length) || c.Slot < 0 || c.Slot > windowBlocks {
		return fmt.Errorf("window %+v does not fit blocks of %s at %s", *c, length, at)
	}
	return nil
}
