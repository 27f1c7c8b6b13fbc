package recording

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
)

// disk is the side of a Writer that may wait: it collects ticks into blocks,
// compresses and writes them, and keeps the directory within its limits.
type disk struct {
	w    *Writer
	dir  string
	log  *slog.Logger
	zip  *zstd.Encoder
	lock *os.File

	segments []rotate.File // the last one is open when file is not nil
	next     uint64
	file     *os.File
	size     int64
	written  bool // a block is in the file
	asked    bool // the next file has been asked for
	synced   bool

	block  []byte // ticks not yet written
	ticks  uint64 // how many those are
	packed []byte
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
	if err := d.start(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

// start finds out what is there, and that it can be written to.
func (d *disk) start() error {
	var err error
	if d.segments, err = rotate.List(d.dir, Extension); err != nil {
		return err
	}
	d.next = rotate.Next(d.segments)
	if err := rotate.Writable(d.dir); err != nil {
		return err
	}
	return d.makeEncoder()
}

// makeEncoder: one goroutine, and a window of a block of some hundred
// containers.
func (d *disk) makeEncoder() (err error) {
	d.zip, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	return err
}

func (d *disk) run() {
	defer close(d.w.done)
	defer func() { _ = d.lock.Close() }()
	flush, sync := time.NewTicker(d.w.opts.FlushEvery), time.NewTicker(d.w.opts.SyncEvery)
	defer flush.Stop()
	defer sync.Stop()
	for {
		select {
		case q, ok := <-d.w.queue:
			if !ok {
				d.check(d.end())
				return
			}
			d.check(d.take(q))
			d.w.free <- q.tick
		case <-flush.C:
			d.check(d.flush())
		case <-sync.C:
			d.check(d.sync())
		}
	}
}

// check makes an error known and gives the file up: nobody can say what of it
// is on the disk, and a later tick needs all those before it.
func (d *disk) check(err error) {
	if err == nil {
		return
	}
	lost := d.ticks
	d.block, d.ticks = d.block[:0], 0
	if d.file != nil {
		_ = d.file.Close() // the error that counts is err
		if !d.written {
			_ = os.Remove(d.file.Name()) // a full disk would collect empty files
			d.segments = d.segments[:len(d.segments)-1]
		}
		d.file = nil
	}
	d.w.begin.Store(true)
	d.w.pausedUntil.Store(d.w.now().Add(d.w.opts.RetryAfter).UnixNano())
	d.w.count(func(st *Stats) {
		st.Lost += lost
		st.Errors++
		st.Err = err
	})
	d.log.Error("recording failed", "err", err, "lost_ticks", lost, "retry_after", d.w.opts.RetryAfter.String())
}

// take adds one tick to the block.
func (d *disk) take(q queued) error {
	switch {
	case q.begins:
		if err := d.end(); err != nil {
			d.lose()
			return err
		}
		if err := d.open(q.at); err != nil {
			d.lose()
			return err
		}
	case d.file == nil:
		d.lose() // it was encoded before the error that ended its file was known
		return nil
	case len(d.block)+len(q.tick) > maxBlock:
		if err := d.flush(); err != nil {
			d.lose()
			return err
		}
	}
	d.block = append(d.block, q.tick...)
	d.ticks++
	return nil
}

// lose counts a tick that is lost besides those of the block.
func (d *disk) lose() { d.w.count(func(st *Stats) { st.Lost++ }) }

// open begins a file.
func (d *disk) open(at time.Time) error {
	opts := &d.w.opts
	limits := rotate.Limits{Bytes: opts.MaxTotalBytes - opts.MaxFileBytes, Age: opts.MaxAge}
	left, removed, err := rotate.Prune(d.segments, limits, d.w.now())
	d.segments = left
	d.w.count(func(st *Stats) { st.Removed += uint64(removed) }) //nolint:gosec // a length
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, rotate.Name(d.next, at, Extension))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	d.next++
	d.file, d.size, d.written, d.asked = f, 0, false, false
	d.segments = append(d.segments, rotate.File{Path: path, Number: d.next - 1})
	d.w.count(func(st *Stats) { st.Files++ })
	return d.write(fileHeader())
}

// flush writes the block.
func (d *disk) flush() error {
	if d.ticks == 0 {
		return nil
	}
	const room = frameHeaderBytes
	d.packed = d.zip.EncodeAll(d.block, append(d.packed[:0], make([]byte, room)...))
	appendFrameHeader(d.packed[:0], kindTicks, uint32(len(d.block)), d.packed[room:]) //nolint:gosec // at most maxBlock
	if err := d.write(d.packed); err != nil {
		return err
	}
	ticks := d.ticks
	d.block, d.ticks = d.block[:0], 0
	d.w.count(func(st *Stats) {
		st.Ticks += ticks
		st.Err = nil
	})
	d.written = true
	if d.size >= d.w.opts.MaxFileBytes && !d.asked {
		d.asked = true
		d.w.begin.Store(true)
	}
	return nil
}

func (d *disk) write(b []byte) error {
	n, err := d.file.Write(b)
	d.size += int64(n)
	d.synced = false
	last := &d.segments[len(d.segments)-1]
	last.Bytes, last.Last = d.size, d.w.now()
	d.w.count(func(st *Stats) { st.Bytes += uint64(n) }) //nolint:gosec // a length
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// sync forces what is written to the disk.
func (d *disk) sync() error {
	if d.file == nil || d.synced {
		return nil
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.synced = true
	return nil
}

// end writes what is left and the end mark.
func (d *disk) end() error {
	if d.file == nil {
		return nil
	}
	if err := d.flush(); err != nil {
		return err
	}
	if err := d.write(appendFrameHeader(nil, kindEnd, 0, nil)); err != nil {
		return err
	}
	if err := d.sync(); err != nil {
		return err
	}
	f := d.file
	d.file = nil
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close %s: %w", f.Name(), err)
	}
	return nil
}
