package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/qos"
)

const (
	// saveEvery is how much of what was learned a crash may cost. A file is about
	// half a kilobyte per container.
	saveEvery = 5 * time.Minute
	// maxCheckpointBytes is far above what any node needs; a larger file is not
	// ours.
	maxCheckpointBytes = 64 << 20
	// checkpointVersion is that of the file's format. Another one is not read.
	checkpointVersion = 1
)

// checkpoint keeps in a file what a restart must not forget: what the estimator
// has learned, which kills count in the budget, and which are under way. It is a
// tick.Observer.
type checkpoint struct {
	file      *statefile.File // nil: nothing is kept
	estimator estimator.Estimator
	log       *slog.Logger

	// restored is what the file held at the start.
	restored content

	// resume is what the decisions must not have forgotten.
	resume qos.Resume
	// stopped: the offer was, at the last tick.
	stopped bool
	saved   time.Time
	busy    chan struct{} // holds one while a write is under way

	mu sync.Mutex
	// handedOver are the kills under way that the agent was told of.
	handedOver []snapshot.Key
	pause      control.Pause
	// due: there is something new that a crash should not cost.
	due bool
}

// content is what the file holds.
type content struct {
	Version    int                   `json:"version"`
	Estimator  *estimator.Checkpoint `json:"estimator,omitempty"`
	Decisions  qos.Resume            `json:"decisions,omitzero"`
	HandedOver []snapshot.Key        `json:"handed_over,omitempty"`
	Pause      control.Pause         `json:"pause,omitzero"`

	number uint64 // see statefile.File.Next
}

// openCheckpoint restores est from the file, if there is one. A file that cannot
// be read costs what it holds, never the start; one that another process has is
// an error. Without a path nothing is kept.
func openCheckpoint(path string, est estimator.Estimator, now time.Time, log *slog.Logger) (*checkpoint, error) {
	c := &checkpoint{estimator: est, log: log, saved: now, busy: make(chan struct{}, 1)}
	if path == "" {
		return c, nil
	}
	c.log = log.With("state_file", path)
	var err error
	if c.file, err = statefile.Open(path); errors.Is(err, statefile.ErrInUse) {
		return nil, fmt.Errorf("state_file: %w", err)
	} else if err != nil {
		c.log.Warn("what is learned cannot be saved", "err", err)
		return c, nil
	}
	switch c.restored, err = c.read(); {
	case errors.Is(err, fs.ErrNotExist):
		c.log.Info("nothing learned yet")
	case err != nil:
		c.log.Warn("what was learned cannot be read, it is learned anew", "err", err)
	case c.restored.Estimator == nil:
	default:
		if err := est.Restore(c.restored.Estimator); err != nil {
			c.log.Warn("what was learned cannot be used, it is learned anew", "err", err)
			break
		}
		c.log.Info("goes on from what was learned")
	}
	c.resume, c.handedOver, c.pause = c.restored.Decisions, c.restored.HandedOver, c.restored.Pause
	return c, nil
}

func (c *checkpoint) read() (content, error) {
	var f content
	data, err := c.file.Read(maxCheckpointBytes)
	if err != nil {
		return content{}, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return content{}, err
	}
	if f.Version != checkpointVersion {
		return content{}, fmt.Errorf("version %d, this build reads %d", f.Version, checkpointVersion)
	}
	return f, nil
}

// save saves at once, without waiting for the disk: a daemon that ends right after
// it has decided on a kill must not kill more than is allowed. What the disk
// refuses is in the log; regular tasks wait for the kill, so it goes on.
func (c *checkpoint) save() {
	if c.file != nil {
		c.write(c.take(), c.file.Replace)
	}
}

// tell remembers that the agent was told of a kill. It is for any goroutine.
func (c *checkpoint) tell(v qos.Victim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handedOver, c.due = append(c.handedOver, v.Key()), true
}

// keepPause saves what an operator has said with the next tick. It is for any
// goroutine.
func (c *checkpoint) keepPause(p control.Pause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pause, c.due = p, true
}

// keep takes what the decisions must not have forgotten, at each tick before a
// kill is handed over.
func (c *checkpoint) keep(r qos.Resume) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = c.due || len(r.Kills) != len(c.resume.Kills) || len(r.UnderWay) != len(c.resume.UnderWay) ||
		!r.BreakerOpenSince.Equal(c.resume.BreakerOpenSince) || !r.LastGone.Equal(c.resume.LastGone)
	c.handedOver = slices.DeleteFunc(c.handedOver, func(key snapshot.Key) bool {
		return !slices.ContainsFunc(r.UnderWay, func(k qos.InFlight) bool { return k.Key == key })
	})
	c.resume = r
}

// Observe saves from time to time, and a stop of the offer at once. When the
// disk is slower than that, it skips.
func (c *checkpoint) Observe(r *decision.Record, s *snapshot.Snapshot) {
	c.mu.Lock()
	c.due = c.due || r.QoS.StopOffering != c.stopped
	c.stopped = r.QoS.StopOffering
	due := c.due
	c.mu.Unlock()
	if c.file == nil || !due && s.At.Sub(c.saved) < saveEvery {
		return
	}
	select {
	case c.busy <- struct{}{}:
	default:
		return
	}
	c.saved = s.At
	f := c.take()
	go func() {
		defer func() { <-c.busy }()
		c.write(f, c.file.ReplaceSynced)
	}()
}

// start is what the daemon began with, as a recording keeps it.
func (c *checkpoint) start() *recording.Start {
	start := &recording.Start{Seed: nodeSeed()}
	if c.file == nil {
		return start
	}
	if b, err := json.Marshal(c.restored.Decisions); err == nil { // it was read from JSON
		start.Decisions = b
	}
	if c.restored.Estimator != nil {
		if b, err := json.Marshal(c.restored.Estimator); err == nil { // it was read from JSON
			start.Checkpoint = b
		}
	}
	return start
}

// take is what there is to keep at this moment.
func (c *checkpoint) take() content {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = false
	return content{
		Version: checkpointVersion, number: c.file.Next(),
		Estimator: c.estimator.Save(), Decisions: c.resume, HandedOver: slices.Clone(c.handedOver), Pause: c.pause,
	}
}

// close saves a last time. The loop must have ended.
func (c *checkpoint) close() {
	if c == nil || c.file == nil {
		return
	}
	c.busy <- struct{}{} // a write that is under way ends
	c.write(c.take(), c.file.ReplaceSynced)
	_ = c.file.Close() // a lock
	c.file = nil
}

func (c *checkpoint) write(f content, replace func(uint64, []byte) error) {
	data, err := json.Marshal(f)
	if err == nil {
		err = replace(f.number, data)
	}
	if err != nil {
		c.log.Warn("what was learned could not be saved", "err", err)
	}
}
