package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// saveEvery is how much of what was learned a crash may cost. A file is about
// half a kilobyte per container.
const saveEvery = 5 * time.Minute

// maxStateBytes is far above what any node needs; a larger file is not ours.
const maxStateBytes = 64 << 20

// checkpoint keeps in a file what the estimator has learned, and when containers
// were killed: the budget of kills must not begin anew with each start. It is a
// tick.Observer and a tick.Watcher: the state is taken on the loop's goroutine
// and written on another.
type checkpoint struct {
	path   string           // "": nothing is kept
	keeper estimator.Keeper // nil: the estimator learns nothing
	log    *slog.Logger

	// restored is what the file held at the start, taken up at began.
	restored checkpointFile
	began    time.Time

	// kills are the times of the kills that count in the budget, oldest first;
	// due: there is a new one.
	kills []time.Time
	due   bool

	saved  time.Time
	writes sync.WaitGroup
	busy   chan struct{} // holds one while a write is under way
}

// checkpointFile is what the file holds.
type checkpointFile struct {
	*estimator.Checkpoint
	Kills []time.Time `json:"kills,omitempty"`
}

// openCheckpoint restores est from the file, if there is one. A file that cannot
// be used costs what it holds, never the start. Without a path nothing is kept.
func openCheckpoint(path string, est estimator.Estimator, now time.Time, log *slog.Logger) *checkpoint {
	if path == "" {
		return &checkpoint{}
	}
	keeper, _ := est.(estimator.Keeper)
	s := &checkpoint{path: path, keeper: keeper, log: log, saved: now, busy: make(chan struct{}, 1)}
	f, err := readCheckpoint(path)
	s.kills = f.Kills
	s.restored, s.began = f, now
	switch c := f.Checkpoint; {
	case errors.Is(err, fs.ErrNotExist):
		log.Info("nothing learned yet", "state_file", path)
	case err != nil:
		log.Warn("what was learned cannot be read, it is learned anew", "state_file", path, "err", err)
	case keeper == nil || c == nil:
	default:
		if err := keeper.Restore(c, now); err != nil {
			log.Warn("what was learned cannot be used, it is learned anew", "state_file", path, "err", err)
			break
		}
		log.Info("goes on from what was learned", "state_file", path, "age", now.Sub(c.At).Round(time.Second).String())
	}
	return s
}

// Observe remembers the kills that count in the budget.
func (s *checkpoint) Observe(r *decision.Record) {
	if s.path == "" || r.QoS.Why == reason.NoPolicy {
		return
	}
	for range r.QoS.Kills {
		s.kills = append(s.kills, r.At)
		s.due = true
	}
	if old := len(s.kills) - r.QoS.Budget.Used; old > 0 {
		s.kills = slices.Clone(s.kills[old:])
	}
}

// Watch saves from time to time, and after a kill. When the disk is slower than
// that, it skips.
func (s *checkpoint) Watch(snap *snapshot.Snapshot) {
	if s.path == "" || !s.due && snap.At.Sub(s.saved) < saveEvery {
		return
	}
	select {
	case s.busy <- struct{}{}:
	default:
		return
	}
	s.saved, s.due = snap.At, false
	f := s.take()
	s.writes.Go(func() {
		defer func() { <-s.busy }()
		s.write(f)
	})
}

// start is what the daemon began with, as a recording keeps it.
func (s *checkpoint) start() *recording.Start {
	start := &recording.Start{Seed: nodeSeed()}
	if s.path == "" {
		return start
	}
	start.At, start.Wall, start.Kills = s.began, s.began.Round(0), s.restored.Kills
	if s.restored.Checkpoint != nil {
		if b, err := json.Marshal(s.restored.Checkpoint); err == nil { // it was read from JSON
			start.Checkpoint = b
		}
	}
	s.restored = checkpointFile{}
	return start
}

// take is the state at this moment.
func (s *checkpoint) take() checkpointFile {
	f := checkpointFile{Kills: slices.Clone(s.kills)}
	if s.keeper != nil {
		f.Checkpoint = s.keeper.Save()
	}
	return f
}

// stop saves a last time. The loop must have ended.
func (s *checkpoint) stop() {
	s.writes.Wait()
	s.write(s.take())
}

func (s *checkpoint) write(f checkpointFile) {
	if s.path == "" || f.Checkpoint == nil && len(f.Kills) == 0 {
		return
	}
	if err := writeCheckpoint(s.path, f); err != nil {
		s.log.Warn("what was learned could not be saved", "state_file", s.path, "err", err)
	}
}

func readCheckpoint(path string) (f checkpointFile, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxStateBytes {
		return f, fmt.Errorf("%s is not a state file: %s of %d bytes", path, info.Mode().Type(), info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return checkpointFile{}, fmt.Errorf("%s: %w", path, err)
	}
	slices.SortFunc(f.Kills, time.Time.Compare)
	return f, nil
}

// writeCheckpoint replaces the file whole or not at all: a temporary file beside it
// is synced and then takes its name.
func writeCheckpoint(path string, content checkpointFile) (err error) {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
