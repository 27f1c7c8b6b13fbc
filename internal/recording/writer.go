package recording

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
)

// Writer records ticks. Record and Close are for one goroutine, Stats is for
// any.
type Writer struct {
	opts Options
	now  func() time.Time

	// Of the goroutine that calls Record.
	framer framer
	closed bool

	// pausedUntil is when recording goes on after an error, in ns since 1970.
	pausedUntil atomic.Int64
	queue       chan frame
	done        chan struct{}

	mu    sync.Mutex
	stats Stats
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
	w, d, err := create(dir, opts, log, time.Now)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	go d.run()
	return w, nil
}

func create(dir string, opts Options, log *slog.Logger, now func() time.Time) (*Writer, *disk, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !os.IsExist(err) {
		return nil, nil, err
	}
	w := &Writer{opts: opts, now: now, queue: make(chan frame, opts.Queue), done: make(chan struct{})}
	d, err := newDisk(w, dir, log)
	return w, d, err
}

// Record records one tick, which it copies; it does not wait. An error means
// that ticks are left out, and never that the next ones are.
func (w *Writer) Record(t *Tick) error {
	if w.closed {
		return ErrClosed
	}
	over, err := w.framer.add(t)
	if err != nil {
		w.count(func(st *Stats) { st.Refused++ })
	}
	if over.ticks > 0 {
		err = errors.Join(err, w.handOver(over))
	}
	if f := &w.framer.frame; t.At.Sub(f.at) >= w.opts.FlushEvery || len(f.raw) > maxFrame/2 {
		err = errors.Join(err, w.handOver(w.framer.take()))
	}
	return err
}

// handOver gives a frame to the disk's goroutine.
func (w *Writer) handOver(f frame) error {
	if f.ticks == 0 {
		return nil
	}
	ticks := uint64(f.ticks) //nolint:gosec // a length
	if w.now().UnixNano() < w.pausedUntil.Load() {
		w.count(func(st *Stats) { st.Lost += ticks })
		return nil // the error itself was logged
	}
	select {
	case w.queue <- f:
		return nil
	default:
		w.count(func(st *Stats) { st.Behind += ticks })
		return fmt.Errorf("%w: %d", ErrBehind, ticks)
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

// Close writes what is left and ends the recording; it waits for the disk. The
// error is that of the last writes.
func (w *Writer) Close() error {
	if w.closed {
		return ErrClosed
	}
	w.closed = true
	if f := w.framer.take(); f.ticks > 0 {
		w.queue <- f
	}
	close(w.queue)
	<-w.done
	return w.Stats().Err
}

// disk is the side of a Writer that may wait: it compresses and writes frames,
// and keeps the directory within its limits.
type disk struct {
	w    *Writer
	dir  string
	log  *slog.Logger
	zip  *zstd.Encoder
	lock *os.File

	files  []rotate.File // the last one is open when file is not nil
	file   *os.File
	packed []byte
	synced bool
}

func newDisk(w *Writer, dir string, log *slog.Logger) (*disk, error) {
	lock, err := rotate.Lock(dir)
	switch {
	case errors.Is(err, rotate.ErrInUse):
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	case err != nil:
		return nil, err
	}
	d := &disk{w: w, dir: dir, log: log, lock: lock, synced: true}
	if d.files, err = rotate.List(dir, Extension); err == nil {
		err = rotate.Writable(dir)
	}
	if err == nil {
		d.zip, err = newZip()
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *disk) run() {
	defer close(d.w.done)
	defer func() { _ = d.lock.Close() }()
	sync := time.NewTicker(d.w.opts.SyncEvery)
	defer sync.Stop()
	for {
		select {
		case f, ok := <-d.w.queue:
			if !ok {
				d.check(0, d.end())
				return
			}
			d.check(f.ticks, d.take(f))
		case <-sync.C:
			d.check(0, d.sync())
		}
	}
}

// check makes an error known, which has cost ticks, and gives the file up:
// nobody can say what of it is on the disk.
func (d *disk) check(ticks int, err error) {
	if err == nil {
		return
	}
	if d.file != nil {
		_ = d.file.Close() // the error that counts is err
		d.file = nil
	}
	d.w.pausedUntil.Store(d.w.now().Add(d.w.opts.RetryAfter).UnixNano())
	d.w.count(func(st *Stats) {
		st.Lost += uint64(ticks) //nolint:gosec // a length
		st.Errors++
		st.Err = err
	})
	d.log.Error("recording failed", "err", err, "lost_ticks", ticks, "retry_after", d.w.opts.RetryAfter.String())
}

// take writes a frame.
func (d *disk) take(f frame) error {
	if d.file != nil && d.files[len(d.files)-1].Bytes >= d.w.opts.MaxFileBytes {
		if err := d.end(); err != nil {
			return err
		}
	}
	if d.file == nil {
		if err := d.open(f.at); err != nil {
			return err
		}
	}
	d.packed = pack(d.packed[:0], d.zip, f.raw)
	n, err := d.file.Write(d.packed)
	last := &d.files[len(d.files)-1]
	last.Bytes += int64(n)
	last.Last, d.synced = d.w.now(), false
	if err == nil && n < len(d.packed) {
		err = io.ErrShortWrite
	}
	if err != nil && last.Bytes == int64(n) && os.Remove(last.Path) == nil { // a full disk would collect cut files
		d.files = d.files[:len(d.files)-1]
	}
	d.w.count(func(st *Stats) {
		st.Bytes += uint64(n) //nolint:gosec // a length
		if st.Err = err; err == nil {
			st.Ticks += uint64(f.ticks) //nolint:gosec // a length
		}
	})
	return err
}

// open begins a file.
func (d *disk) open(at time.Time) error {
	opts := &d.w.opts
	limits := rotate.Limits{Bytes: opts.MaxTotalBytes - opts.MaxFileBytes, Age: opts.MaxAge}
	left, removed, err := rotate.Prune(d.files, limits, d.w.now())
	d.files = left
	d.w.count(func(st *Stats) { st.Removed += uint64(removed) }) //nolint:gosec // a length
	if err != nil {
		return err
	}
	number := rotate.Next(d.files)
	path := filepath.Join(d.dir, rotate.Name(number, at, Extension))
	d.file, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	d.files = append(d.files, rotate.File{Path: path, Number: number})
	d.w.count(func(st *Stats) { st.Files++ })
	return nil
}

// sync forces what is written to the disk.
func (d *disk) sync() error {
	if d.file == nil || d.synced {
		return nil
	}
	d.synced = true
	return d.file.Sync()
}

// end closes the file.
func (d *disk) end() error {
	if d.file == nil {
		return nil
	}
	err := errors.Join(d.sync(), d.file.Close())
	d.file = nil
	return err
}
