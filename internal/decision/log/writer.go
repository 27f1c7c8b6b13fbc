package log

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
)

// Writer logs records. Observe is for one goroutine, which never waits; Close
// is for the same, and does wait. Stats is for any.
type Writer struct {
	queue  chan *decision.Record
	done   chan struct{}
	closed bool

	mu    sync.Mutex
	stats Stats
}

// Stats is what a Writer did since it was made.
type Stats struct {
	// Lines were written.
	Lines uint64
	// Behind are the lines left out because the disk was too slow, Lost those
	// that an error of the disk took, the ones of the pause after it included.
	Behind, Lost uint64
	// Bytes were written, before compression; Files begun, Removed taken away
	// for the total.
	Bytes, Files, Removed uint64
	// Err is the last error, nil once writing works again.
	Err error
}

// Create begins to log into dir, which is made where it does not exist (its
// parent must). What is there already stays, up to MaxBytes.
//
// An error of the disk later on is logged once, until writing works again.
func Create(dir string, opts Options, log *slog.Logger) (*Writer, error) {
	return create(dir, opts, log, time.Now)
}

func create(dir string, opts Options, log *slog.Logger, now func() time.Time) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	w := &Writer{queue: make(chan *decision.Record, opts.Queue), done: make(chan struct{})}
	d, err := newDisk(w, dir, opts, log, now)
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	go d.run()
	return w, nil
}

// Observe logs r, which must have its Inputs. It does not wait.
func (w *Writer) Observe(r *decision.Record) {
	if w.closed {
		return
	}
	select {
	case w.queue <- r:
	default:
		w.count(func(st *Stats) { st.Behind++ })
	}
}

// Stats is what was done so far.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

func (w *Writer) count(add func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	add(&w.stats)
}

// Close writes what is left; it waits for the disk. The error is that of the
// last writes.
func (w *Writer) Close() error {
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	<-w.done
	return w.Stats().Err
}
