package predict

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// CheckpointVersion is that of the Checkpoints that Save makes; Restore takes
// no other.
const CheckpointVersion = 1

// maxCheckpointAge is the age beyond which a Checkpoint says nothing any more:
// the longest window.
const maxCheckpointAge = 7 * 24 * time.Hour

// ErrCheckpoint is the class of errors of a Checkpoint that cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// Checkpoint is what a predictor has learned, to go on from after a restart.
// Promises whose horizon is not over are not in it: what comes while nobody
// looks is not known. It is made for encoding/json.
type Checkpoint struct {
	Version   int    `json:"version"`
	Predictor string `json:"predictor"`
	// HorizonSeconds is what the predictor was made for, when it has one.
	HorizonSeconds float64   `json:"horizon_s,omitempty"`
	Began          time.Time `json:"began"`
	// At is the time of the last step.
	At          time.Time             `json:"at"`
	Clocks      []ClockState          `json:"clocks"`
	Containers  []ContainerCheckpoint `json:"containers"`
	Calibration *CalibrationState     `json:"calibration,omitempty"`
}

// ClockState is the place in one sliding window.
type ClockState struct {
	BlockNanos int64 `json:"block_ns"`
	Block      int64 `json:"block"`
	Slot       int   `json:"slot"`
}

// ContainerCheckpoint holds the maxima of one container, window by window.
type ContainerCheckpoint struct {
	ID     string      `json:"id"`
	Inode  uint64      `json:"inode"`
	Blocks [][]float32 `json:"blocks"`
}

// CalibrationState is what was learned of the experts' residuals.
type CalibrationState struct {
	Last      time.Time     `json:"last"`
	Samples   float64       `json:"samples"`
	Horizons  float64       `json:"horizons"`
	Tightness []float64     `json:"tightness"`
	Experts   [][]Residuals `json:"experts"`
}

// Residuals is one bucket of an expert's histogram, in samples.
type Residuals struct {
	Bucket int     `json:"b"`
	Weight float64 `json:"w"`
	Sum    float64 `json:"s"`
}

// keeper is a model whose state is worth keeping over a restart.
type keeper interface {
	save(c *Checkpoint)
	// load takes a checked Checkpoint, or leaves the model as it was.
	load(c *Checkpoint) error
}

// Save returns what p has learned; nil when it has nothing to keep, or has
// not seen a step.
func Save(p Predictor) *Checkpoint {
	g, ok := p.(*guard)
	if !ok || g.last.IsZero() {
		return nil
	}
	k, ok := g.model.(keeper)
	if !ok {
		return nil
	}
	c := &Checkpoint{Version: CheckpointVersion, Predictor: g.name, At: g.last}
	k.save(c)
	return c
}

// Restore lets p, freshly made, go on from c at time now. On an error, which is
// an ErrCheckpoint, p is as fresh as before. The time between c and the next
// step counts as missing ticks.
func Restore(p Predictor, c *Checkpoint, now time.Time) error {
	g, ok := p.(*guard)
	if !ok || c == nil {
		return fmt.Errorf("%w: none, or not of a predictor of this package", ErrCheckpoint)
	}
	k, ok := g.model.(keeper)
	switch {
	case !ok:
		return fmt.Errorf("%w: %s keeps nothing", ErrCheckpoint, g.name)
	case !g.last.IsZero():
		return fmt.Errorf("%w: the predictor has begun already", ErrCheckpoint)
	case c.Version != CheckpointVersion:
		return fmt.Errorf("%w: version %d, want %d", ErrCheckpoint, c.Version, CheckpointVersion)
	case c.Predictor != g.name:
		return fmt.Errorf("%w: of %q, not %q", ErrCheckpoint, c.Predictor, g.name)
	case c.At.IsZero() || c.At.After(now):
		return fmt.Errorf("%w: its time %s is not before now, %s", ErrCheckpoint, c.At, now)
	case now.Sub(c.At) > maxCheckpointAge:
		return fmt.Errorf("%w: %s old, more than %s", ErrCheckpoint, now.Sub(c.At), maxCheckpointAge)
	}
	if err := k.load(c); err != nil {
		return err
	}
	g.last = c.At
	return nil
}

func (c *blockClock) state() ClockState {
	return ClockState{BlockNanos: int64(c.length), Block: c.block, Slot: c.slot}
}

// restored is the clock at s, which was at time at.
func (c *blockClock) restored(s ClockState, at time.Time) (blockClock, error) {
	if s.BlockNanos != int64(c.length) || s.Block != at.UnixNano()/int64(c.length) || s.Slot < 0 || s.Slot > windowBlocks {
		return blockClock{}, fmt.Errorf("%w: window %+v does not fit blocks of %s at %s", ErrCheckpoint, s, c.length, at)
	}
	return blockClock{length: c.length, block: s.Block, slot: s.Slot, begun: true}, nil
}

// restoredMax is the maximum over blocks, slot being under way.
func restoredMax(blocks []float32, slot int) (blockMax, error) {
	var b blockMax
	if len(blocks) != len(b.blocks) {
		return b, fmt.Errorf("%w: %d blocks, want %d", ErrCheckpoint, len(blocks), len(b.blocks))
	}
	for i, m := range blocks {
		if !(m >= 0) || math.IsInf(float64(m), 0) {
			return b, fmt.Errorf("%w: maximum %v", ErrCheckpoint, m)
		}
		b.blocks[i] = m
	}
	b.turn(slot, 0)
	return b, nil
}

// saveContainers writes the maxima of every container of r.
func saveContainers[S any](c *Checkpoint, r *PerContainer[S], maxima func(*S) []*blockMax) {
	for i, key := range r.keys {
		kept := ContainerCheckpoint{ID: key.ID, Inode: key.Inode}
		for _, m := range maxima(&r.states[r.slots[i]]) {
			kept.Blocks = append(kept.Blocks, append([]float32(nil), m.blocks[:]...))
		}
		c.Containers = append(c.Containers, kept)
	}
}

// loadContainers makes the roster that saveContainers wrote.
func loadContainers[S any](c *Checkpoint, maxima func(*S) []*blockMax) (PerContainer[S], error) {
	var r PerContainer[S]
	for i := range c.Containers {
		kept := &c.Containers[i]
		key := snapshot.Key{ID: kept.ID, Inode: kept.Inode}
		if n := len(r.keys); n > 0 && compareKeys(r.keys[n-1], key) >= 0 {
			return r, fmt.Errorf("%w: container %q is out of order", ErrCheckpoint, kept.ID)
		}
		var s S
		fields := maxima(&s)
		if len(kept.Blocks) != len(fields) || len(c.Clocks) < len(fields) {
			return r, fmt.Errorf("%w: container %q has %d windows, want %d", ErrCheckpoint, kept.ID, len(kept.Blocks), len(fields))
		}
		for j, blocks := range kept.Blocks {
			m, err := restoredMax(blocks, c.Clocks[j].Slot)
			if err != nil {
				return r, fmt.Errorf("container %q: %w", kept.ID, err)
			}
			*fields[j] = m
		}
		r.keys = append(r.keys, key)
		r.slots = append(r.slots, int32(i)) //nolint:gosec // a node has no 2^31 containers
		r.states = append(r.states, s)
	}
	return r, nil
}
