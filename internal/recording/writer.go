package recording

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Writer records snapshots. Record and Close are for one goroutine, Stats is
// for any.
type Writer struct {
	opts Options
	now  func() time.Time
	// base is the first tick: see coder.stamp.
	base time.Time

	// Of the goroutine that calls Record.
	state  state
	coder  coder
	closed bool

	// begin: the next tick must begin a file. The disk's side sets it when the
	// file is large enough or lost.
	begin atomic.Bool
	// pausedUntil is when recording goes on after an error, in ns since 1970.
	pausedUntil atomic.Int64
	queue       chan queued
	free        chan []byte
	done        chan struct{}

	mu    sync.Mutex
	stats Stats
}

// queued is one encoded tick on its way to the disk.
type queued struct {
	tick []byte
	at   time.Time
	// begins: it was encoded without knowledge of a tick before.
	begins bool
}

// Stats is what a Writer did since it was made.
type Stats struct {
	// Ticks are recorded and written to a file.
	Ticks uint64
	// Behind are the ticks left out because the disk was too slow; Lost those
	// that an error of the disk took, the ones of the pause after it included;
	// Refused those that cannot be recorded at all.
	Behind, Lost, Refused uint64
	// Bytes were written; Files begun; Removed taken away for their age or for
	// the total; Errors counts what the disk refused.
	Bytes                  uint64
	Files, Removed, Errors uint64
	// Err is the last error, nil once writing works again.
	Err error
}

// Create begins to record into dir, which is made where it does not exist (its
// parent must). What is recorded there already stays, up to the limits.
//
// An error of the disk later on ends the file, if there is one, is logged, and
// is in Stats; recording is tried again every RetryAfter.
func Create(dir string, opts Options, log *slog.Logger) (*Writer, error) {
	return create(dir, opts, log, time.Now)
}

func create(dir string, opts Options, log *slog.Logger, now func() time.Time) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("record: %w", err)
	}
	w := &Writer{
		opts: opts, now: now, queue: make(chan queued, opts.Queue), free: make(chan []byte, opts.Queue), done: make(chan struct{}),
	}
	for range opts.Queue {
		w.free <- nil // grown when used first
	}
	w.begin.Store(true)
	d, err := newDisk(w, dir, log)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	go d.run()
	return w, nil
}

// Record records one tick. It encodes it and hands it over; it does not wait.
// An error means that this tick is left out, and never that the next one is.
func (w *Writer) Record(s *snapshot.Snapshot) error { return w.RecordTick(s, nil) }

// RecordTick is Record with what was decided on besides s, so that the tick can
// be decided again; nil when that is not known.
func (w *Writer) RecordTick(s *snapshot.Snapshot, in *Inputs) error {
	if w.closed {
		return ErrClosed
	}
	if until := w.pausedUntil.Load(); until != 0 {
		if w.now().UnixNano() < until {
			w.count(func(st *Stats) { st.Lost++ })
			return ErrPaused
		}
		w.pausedUntil.Store(0)
	}
	var buf []byte
	select {
	case buf = <-w.free:
	default:
		w.count(func(st *Stats) { st.Behind++ })
		return ErrBehind
	}
	if w.base.IsZero() {
		w.base = s.At
	}
	begins := w.begin.Swap(false)
	if begins {
		w.state.reset(false)
	}
	tick, err := w.encode(buf, s, in)
	if err != nil {
		w.free <- buf
		w.begin.Store(true) // what the state is now, no reader will know
		w.count(func(st *Stats) { st.Refused++ })
		return err
	}
	if w.state.strings.full() {
		w.begin.Store(true)
	}
	w.queue <- queued{tick: tick, at: s.At, begins: begins} // has room: there are no more buffers
	return nil
}

// tickHeaderBytes is the length before each tick of a block.
const tickHeaderBytes = 4

func (w *Writer) encode(buf []byte, s *snapshot.Snapshot, in *Inputs) ([]byte, error) {
	w.coder = coder{version: Version, base: w.base, buf: append(buf[:0], make([]byte, tickHeaderBytes)...)}
	w.state.tick(&w.coder, s, in)
	if w.coder.err != nil {
		return nil, w.coder.err
	}
	tick := w.coder.buf
	if len(tick) > maxBlock {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(tick))
	}
	binary.LittleEndian.PutUint32(tick, uint32(len(tick)-tickHeaderBytes)) //nolint:gosec // at most maxBlock
	return tick, nil
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

// Close writes what is left and ends the recording; it waits for the disk. The
// error is that of the last writes.
func (w *Writer) Close() error {
	if w.closed {
		return ErrClosed
	}
	w.closed = true
	close(w.queue)
	<-w.done
	return w.Stats().Err
}
