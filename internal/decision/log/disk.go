package log

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
)

// disk is the side of a Writer that may wait.
type disk struct {
	w    *Writer
	dir  string
	opts Options
	log  *slog.Logger
	now  func() time.Time
	lock *os.File

	closed []rotate.File // all files but the one that is written
	next   uint64
	file   *os.File // nil: none is open
	number uint64
	size   int64
	begun  time.Time
	buf    []byte

	// until is when writing is tried again after an error; zero: it works.
	until time.Time
	// lost is how many lines that error has taken.
	lost uint64
}

func newDisk(w *Writer, dir string, opts Options, log *slog.Logger, now func() time.Time) (*disk, error) {
	lock, err := rotate.Lock(dir)
	switch {
	case errors.Is(err, rotate.ErrInUse):
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	case err != nil:
		return nil, err
	}
	d := &disk{w: w, dir: dir, opts: opts, log: log, now: now, lock: lock}
	if err := d.start(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

// start finds out what is there, clears up after a daemon that was killed, and
// makes sure that files can be made.
func (d *disk) start() error {
	var err error
	if d.closed, err = segmentsIn(d.dir); err != nil {
		return err
	}
	d.next = rotate.Next(d.closed)
	junk, err := leftovers(d.dir, d.closed)
	if err != nil {
		return err
	}
	for _, path := range junk {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return rotate.Writable(d.dir)
}

func (d *disk) run() {
	defer close(d.w.done)
	defer func() { _ = d.lock.Close() }()
	d.check(d.packAll())
	for r := range d.w.queue {
		if !d.until.IsZero() && d.now().Before(d.until) {
			d.lose()
			continue
		}
		if err := d.take(r); err != nil {
			d.lose()
			d.check(err)
			continue
		}
		d.works()
		if d.size >= d.opts.MaxFileBytes || d.now().Sub(d.begun) >= d.opts.MaxFileAge {
			d.check(d.rotate())
		}
	}
	d.check(d.end())
}

// lose counts a line that is not written.
func (d *disk) lose() {
	d.lost++
	d.w.count(func(st *Stats) { st.Lost++ })
}

// check makes an error known, once until writing works again, and pauses.
func (d *disk) check(err error) {
	if err == nil {
		return
	}
	if d.until.IsZero() {
		d.log.Error("the decision log cannot be written, the daemon goes on without", "dir", d.dir, "err", err, "retry_every", d.opts.RetryAfter.String())
	}
	d.until = d.now().Add(d.opts.RetryAfter)
	d.w.count(func(st *Stats) { st.Err = err })
}

// works ends a time of errors.
func (d *disk) works() {
	if d.until.IsZero() {
		return
	}
	d.log.Info("the decision log is written again", "dir", d.dir, "lost_lines", d.lost)
	d.until, d.lost = time.Time{}, 0
	d.w.count(func(st *Stats) { st.Err = nil })
}

// take writes one line, in whole or not at all.
func (d *disk) take(r *decision.Record) error {
	d.buf = decision.LineOf(r).Append(d.buf[:0])
	if d.file == nil {
		if err := d.open(r.At); err != nil {
			return err
		}
	}
	n, err := d.file.Write(d.buf)
	if err == nil && n < len(d.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 && d.file.Truncate(d.size) != nil {
			err = errors.Join(err, d.end()) // the reader passes over what is cut off
		}
		return err
	}
	d.size += int64(n)
	d.w.count(func(st *Stats) {
		st.Lines++
		st.Bytes += uint64(n) //nolint:gosec // a length
	})
	return nil
}

// open begins a file.
func (d *disk) open(at time.Time) error {
	if err := d.prune(); err != nil {
		return err
	}
	path := filepath.Join(d.dir, rotate.Name(d.next, at, plain))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	d.file, d.number, d.size, d.begun = f, d.next, 0, d.now()
	d.next++
	d.w.count(func(st *Stats) { st.Files++ })
	return nil
}

// prune removes the oldest files so that one more can be written and
// compressed.
func (d *disk) prune() error {
	left, removed, err := rotate.Prune(d.closed, rotate.Limits{Bytes: d.opts.MaxBytes - 2*d.opts.MaxFileBytes}, d.now())
	d.closed = left
	d.w.count(func(st *Stats) { st.Removed += uint64(removed) }) //nolint:gosec // a length
	return err
}

// end closes the file that is written; it stays as it is.
func (d *disk) end() error {
	if d.file == nil {
		return nil
	}
	f := d.file
	d.file = nil
	d.closed = append(d.closed, rotate.File{Path: f.Name(), Number: d.number, Bytes: d.size})
	return errors.Join(f.Sync(), f.Close())
}

// rotate ends the file and compresses it. The next line begins another.
func (d *disk) rotate() error {
	if err := d.end(); err != nil {
		return err
	}
	return d.pack(&d.closed[len(d.closed)-1])
}

// packAll compresses what a daemon left that was ended.
func (d *disk) packAll() error {
	if err := d.prune(); err != nil {
		return err
	}
	for i := range d.closed {
		if err := d.pack(&d.closed[i]); err != nil {
			return err
		}
	}
	return nil
}

// pack compresses a file. It is there in one form or the other at any time.
func (d *disk) pack(s *rotate.File) (err error) {
	if isPacked(s) {
		return nil
	}
	in, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	name := strings.TrimSuffix(s.Path, plain) + packed
	out, err := os.OpenFile(name+half, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name + half)
		}
	}()
	size, err := compress(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("compress %s: %w", s.Path, err)
	}
	if err := os.Rename(name+half, name); err != nil {
		return err
	}
	if err := syncDir(d.dir); err != nil {
		return err
	}
	old := s.Path
	s.Path, s.Bytes = name, size
	return os.Remove(old)
}

// compress copies in to out: one goroutine, and a window of some hundred lines.
func compress(out, in *os.File) (int64, error) {
	zip, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(zip, in); err != nil {
		_ = zip.Close()
		return 0, err
	}
	if err := zip.Close(); err != nil {
		return 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
