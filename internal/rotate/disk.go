package rotate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// disk is the side of a Writer that may wait.
type disk struct {
	Options
	w    *Writer
	dir  string
	lock *os.File

	ended []File // all files but the one that is written
	next  uint64
	file  *os.File // nil: none is open
	now   File     // what file is
	begun time.Time
	dirty bool // not forced to the disk yet
	buf   []byte

	// until is when writing is tried again after an error; zero: it works.
	until time.Time
	// lost is how much that error has taken.
	lost uint64
}

func (d *disk) run() {
	defer close(d.w.done)
	defer func() { _ = d.lock.Close() }()
	var tick <-chan time.Time
	if d.SyncEvery > 0 {
		t := time.NewTicker(d.SyncEvery)
		defer t.Stop()
		tick = t.C
	}
	d.check(d.settle())
	for {
		select {
		case i, ok := <-d.w.queue:
			if !ok {
				d.check(d.end())
				return
			}
			d.put(i)
		case <-tick:
			d.check(d.sync())
		}
	}
}

// put writes one item, unless an error was a moment ago.
func (d *disk) put(i Item) {
	if !d.until.IsZero() && d.Now().Before(d.until) {
		d.lose(i)
		return
	}
	var err error
	if d.buf, err = i.Append(d.buf[:0]); err != nil {
		d.Log.Error("cannot be written", "what", d.What, "err", err)
		d.w.count(func(st *Stats) { st.Lost += uint64(i.Count) }) //nolint:gosec // a length
		return
	}
	if err := d.write(i); err != nil {
		d.lose(i)
		d.check(err)
		return
	}
	if !d.until.IsZero() {
		d.Log.Info("writing works again", "what", d.What, "dir", d.dir, "lost", d.lost)
		d.until, d.lost = time.Time{}, 0
	}
	d.w.count(func(st *Stats) {
		st.Written += uint64(i.Count) //nolint:gosec // a length
		st.Err = nil
	})
	if d.now.Bytes >= d.MaxFileBytes || d.MaxFileAge > 0 && d.Now().Sub(d.begun) >= d.MaxFileAge {
		d.check(d.rotate())
	}
}

func (d *disk) lose(i Item) {
	d.lost += uint64(i.Count)                                 //nolint:gosec // a length
	d.w.count(func(st *Stats) { st.Lost += uint64(i.Count) }) //nolint:gosec // a length
}

// check makes an error known, once until writing works again, and pauses.
func (d *disk) check(err error) {
	if err == nil {
		return
	}
	if d.until.IsZero() {
		d.Log.Error("writing failed, the daemon goes on without", "what", d.What, "dir", d.dir, "err", err, "retry_every", d.RetryAfter.String())
	}
	d.until = d.Now().Add(d.RetryAfter)
	d.w.count(func(st *Stats) {
		st.Errors++
		st.Err = err
	})
}

// write writes one item, in whole or not at all.
func (d *disk) write(i Item) error {
	if d.file == nil {
		if err := d.open(i.At); err != nil {
			return err
		}
	}
	n, err := d.file.Write(d.buf)
	if err == nil && n < len(d.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if d.now.Bytes == 0 { // a full disk would collect cut files
			_ = d.file.Close()
			err = errors.Join(err, os.Remove(d.now.Path))
			d.file = nil
		} else if n > 0 && d.file.Truncate(d.now.Bytes) != nil {
			err = errors.Join(err, d.end()) // the reader passes over what is cut off
		}
		return err
	}
	d.now.Bytes += int64(n)
	d.now.Last, d.dirty = d.Now(), true
	d.w.count(func(st *Stats) { st.Bytes += uint64(n) }) //nolint:gosec // a length
	return nil
}

// open begins a file.
func (d *disk) open(at time.Time) error {
	if err := d.prune(); err != nil {
		return err
	}
	path := filepath.Join(d.dir, Name(d.next, at, d.Extension))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	d.file, d.begun = f, d.Now()
	d.now = File{Path: path, Number: d.next, Last: d.begun}
	d.next++
	d.w.count(func(st *Stats) { st.Files++ })
	return nil
}

// prune removes the oldest files until the others are within the limits.
func (d *disk) prune() error {
	left, removed, err := Prune(d.ended, d.Keep, d.Now())
	d.ended = left
	d.w.count(func(st *Stats) { st.Removed += uint64(removed) }) //nolint:gosec // a length
	return err
}

// settle lets Ended look at what a daemon left that was ended.
func (d *disk) settle() error {
	if d.Ended == nil {
		return nil
	}
	if err := d.prune(); err != nil {
		return err
	}
	for i := range d.ended {
		if err := d.become(&d.ended[i]); err != nil {
			return err
		}
	}
	return nil
}

// become replaces a file that has ended by what Ended makes of it.
func (d *disk) become(f *File) error {
	if d.Ended == nil {
		return nil
	}
	now, err := d.Ended(*f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	*f = now
	return nil
}

// rotate ends the file. The next item begins another.
func (d *disk) rotate() error {
	if err := d.end(); err != nil {
		return err
	}
	return d.become(&d.ended[len(d.ended)-1])
}

// sync forces what is written to the disk.
func (d *disk) sync() error {
	if d.file == nil || !d.dirty {
		return nil
	}
	d.dirty = false
	return d.file.Sync()
}

// end closes the file that is written.
func (d *disk) end() error {
	if d.file == nil {
		return nil
	}
	err := errors.Join(d.sync(), d.file.Close())
	d.ended, d.file = append(d.ended, d.now), nil
	return err
}
