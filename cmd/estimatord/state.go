package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/snapshot"
)

// saveEvery is how much of what was learned a crash may cost. A file is about
// half a kilobyte per container.
const saveEvery = 5 * time.Minute

// maxStateBytes is far above what any node needs; a larger file is not ours.
const maxStateBytes = 64 << 20

// state keeps what the estimator has learned in a file. It is a loop.Watcher:
// the state is taken on the loop's goroutine and written on another.
type state struct {
	path   string
	keeper estimator.Keeper
	log    *slog.Logger

	saved  time.Time
	writes sync.WaitGroup
	busy   chan struct{} // holds one while a write is under way
}

// newState restores est from the file, if there is one. A file that cannot be
// used costs what it holds, never the start. Without a path, or for an
// estimator that learns nothing, there is no state.
func newState(path string, est estimator.Estimator, now time.Time, log *slog.Logger) *state {
	keeper, ok := est.(estimator.Keeper)
	if path == "" || !ok {
		return nil
	}
	s := &state{path: path, keeper: keeper, log: log, saved: now, busy: make(chan struct{}, 1)}
	switch c, err := readState(path); {
	case errors.Is(err, fs.ErrNotExist):
		log.Info("nothing learned yet", "state_file", path)
	case err != nil:
		log.Warn("what was learned cannot be read, it is learned anew", "state_file", path, "err", err)
	default:
		if err := keeper.Restore(c, now); err != nil {
			log.Warn("what was learned cannot be used, it is learned anew", "state_file", path, "err", err)
			break
		}
		log.Info("goes on from what was learned", "state_file", path, "age", now.Sub(c.At).Round(time.Second).String())
	}
	return s
}

// Watch saves from time to time. When the disk is slower than that, it skips.
func (s *state) Watch(snap *snapshot.Snapshot) {
	if snap.At.Sub(s.saved) < saveEvery {
		return
	}
	select {
	case s.busy <- struct{}{}:
	default:
		return
	}
	s.saved = snap.At
	c := s.keeper.Save()
	s.writes.Go(func() {
		defer func() { <-s.busy }()
		s.write(c)
	})
}

// stop saves a last time. The loop must have ended.
func (s *state) stop() {
	s.writes.Wait()
	s.write(s.keeper.Save())
}

func (s *state) write(c *estimator.Checkpoint) {
	if c == nil {
		return
	}
	if err := writeState(s.path, c); err != nil {
		s.log.Warn("what was learned could not be saved", "state_file", s.path, "err", err)
	}
}

func readState(path string) (*estimator.Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxStateBytes {
		return nil, fmt.Errorf("%s is not a state file: %s of %d bytes", path, info.Mode().Type(), info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &estimator.Checkpoint{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// writeState replaces the file whole or not at all: a temporary file beside it
// is synced and then takes its name.
func writeState(path string, c *estimator.Checkpoint) (err error) {
	data, err := json.Marshal(c)
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
