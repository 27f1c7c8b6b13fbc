package recording

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
)

// Options say how much is kept and how soon it is on disk. The zero value of a
// field stands for its default.
type Options struct {
	// MaxFileBytes is when a new file is begun. Smaller: less is lost with a
	// damaged one.
	MaxFileBytes int64
	// MaxTotalBytes is when the oldest file is removed.
	MaxTotalBytes int64
	// MaxAge is when a file is removed: this long after its last tick; 0 for never.
	MaxAge time.Duration
	// FlushEvery is how long ticks are collected before they are compressed and
	// written. Longer: smaller files, since each frame says anew which
	// containers there are; shorter: a process that is killed loses less.
	FlushEvery time.Duration
	// Queue is the number of frames that wait for the disk at most.
	Queue int
}

// Defaults of Options.
const (
	DefaultMaxFileBytes  = 16 << 20
	DefaultMaxTotalBytes = 1 << 30
	DefaultFlushEvery    = 15 * time.Second
	DefaultQueue         = 4
)

const (
	// syncEvery is how often the file is forced to the disk: what a power
	// failure may take.
	syncEvery = time.Minute
	// retryAfter is how long nothing is recorded after an error of the disk.
	retryAfter = 10 * time.Second
)

var errOptions = errors.New("recording options")

func (o Options) withDefaults() (Options, error) {
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = DefaultMaxFileBytes
	}
	if o.MaxTotalBytes == 0 {
		o.MaxTotalBytes = DefaultMaxTotalBytes
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = DefaultFlushEvery
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	switch {
	case o.MaxFileBytes < 0, o.MaxTotalBytes < 0, o.MaxAge < 0, o.FlushEvery < 0, o.Queue < 0:
		return o, fmt.Errorf("%w: none may be negative", errOptions)
	case o.MaxTotalBytes < 2*o.MaxFileBytes:
		return o, fmt.Errorf("%w: %d bytes in total must hold two files of %d", errOptions, o.MaxTotalBytes, o.MaxFileBytes)
	}
	return o, nil
}

// Stats counts ticks.
type Stats struct {
	rotate.Stats
	// Refused are those that cannot be recorded at all.
	Refused uint64
}

// Writer records ticks. Record and Close are for one goroutine, Stats is for
// any.
type Writer struct {
	framer     framer
	flushEvery time.Duration
	zip        *zstd.Encoder // of the goroutine that writes
	files      *rotate.Writer
	refused    atomic.Uint64
	closed     bool
}

// Create begins to record into dir, which is made where it does not exist (its
// parent must). What is recorded there already stays, up to the limits.
func Create(dir string, opts Options, log *slog.Logger) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Writer{flushEvery: opts.FlushEvery}
	if w.zip, err = newZip(); err != nil {
		return nil, err
	}
	w.files, err = rotate.Create(dir, rotate.Options{
		Extension: Extension, MaxFileBytes: opts.MaxFileBytes,
		Keep:      rotate.Limits{Bytes: opts.MaxTotalBytes - opts.MaxFileBytes, Age: opts.MaxAge},
		SyncEvery: syncEvery, RetryAfter: retryAfter, Queue: opts.Queue, What: "recording", Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return w, nil
}

// Record records one tick, which it copies; it does not wait. An error means
// that ticks are left out, and never that the next ones are: ErrBehind is
// counted, any other is about this tick alone.
func (w *Writer) Record(t *Tick) error {
	if w.closed {
		return rotate.ErrClosed
	}
	over, err := w.framer.add(t)
	if err != nil {
		w.refused.Add(1)
	}
	err = errors.Join(err, w.put(over))
	if f := &w.framer.frame; t.At.Sub(f.at) >= w.flushEvery || len(f.raw) > maxFrame/2 {
		err = errors.Join(err, w.put(w.framer.take()))
	}
	return err
}

// put gives a frame to the goroutine that writes.
func (w *Writer) put(f frame) error {
	if f.ticks == 0 {
		return nil
	}
	if err := w.files.Put(w.item(f)); err != nil {
		return fmt.Errorf("%d ticks: %w", f.ticks, err)
	}
	return nil
}

func (w *Writer) item(f frame) rotate.Item {
	return rotate.Item{At: f.at, Count: f.ticks, Append: func(b []byte) ([]byte, error) { return pack(b, w.zip, f.raw), nil }}
}

// Stats is what was done so far.
func (w *Writer) Stats() Stats { return Stats{Stats: w.files.Stats(), Refused: w.refused.Load()} }

// Close writes what is left and ends the recording; it waits for the disk. The
// error is that of the last writes.
func (w *Writer) Close() error {
	w.closed = true
	if f := w.framer.take(); f.ticks > 0 {
		return w.files.Close(w.item(f))
	}
	return w.files.Close()
}
