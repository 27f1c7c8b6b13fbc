package rotate

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Errors of a Writer, for errors.Is.
var (
	// ErrBehind: the disk is too slow, the item was left out.
	ErrBehind = errors.New("the disk is behind")
	// ErrClosed: the writer was closed.
	ErrClosed = errors.New("closed")
)

// Options say how a Writer writes and how much is kept.
type Options struct {
	// Extension ends the names of its files; Others are those of files that
	// count in the total as well.
	Extension string
	Others    []string
	// MaxFileBytes is the size at which another file is begun, MaxFileAge the
	// age (0: any).
	MaxFileBytes int64
	MaxFileAge   time.Duration
	// Keep is what the files before the one that is written may have together,
	// and how old they may be.
	Keep Limits
	// SyncEvery is how often the file is forced to the disk; 0: when it ends.
	SyncEvery time.Duration
	// RetryAfter is how long nothing is written after an error of the disk.
	RetryAfter time.Duration
	// Queue is the number of items that wait for the disk at most.
	Queue int
	// Ended, when set, is called with each file that has ended, on the Writer's
	// goroutine, and returns what it has become.
	Ended func(File) (File, error)
	// What is being written, in the words of the log.
	What string
	Log  *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Item is what is written at once: in whole or not at all.
type Item struct {
	// At is its time, in the name of a file that begins with it.
	At time.Time
	// Count is what it counts as in Stats.
	Count int
	// Append appends its bytes, on the Writer's goroutine. An error is a defect of
	// the item: it is logged, and the item lost.
	Append func([]byte) ([]byte, error)
}

// Stats is what a Writer did since it was made.
type Stats struct {
	// Written is the sum of Count that is in files. Behind was left out because
	// the disk was too slow, Lost taken by an error of the disk and in the pause
	// after it.
	Written, Behind, Lost uint64
	// Bytes were written; Files begun; Removed for the limits; Errors counts
	// what the disk refused.
	Bytes, Files, Removed, Errors uint64
	// Err is the last error, nil once writing works again.
	Err error
}

// Writer writes items to the files of a directory, on a goroutine of its own.
// Put and Close are for one goroutine, Stats is for any.
type Writer struct {
	queue  chan Item
	done   chan struct{}
	closed bool

	mu    sync.Mutex
	stats Stats
}

// Create begins to write into dir, which is made where it does not exist (its
// parent must). An error of the disk later on is logged once, until writing
// works again, and is in Stats.
func Create(dir string, opts Options) (*Writer, error) {
	w, d, err := create(dir, opts)
	if err != nil {
		return nil, err
	}
	go d.run()
	return w, nil
}

func create(dir string, opts Options) (*Writer, *disk, error) {
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	w := &Writer{queue: make(chan Item, opts.Queue), done: make(chan struct{})}
	lock, err := Lock(dir)
	if err != nil {
		return nil, nil, err
	}
	d := &disk{Options: opts, w: w, dir: dir, lock: lock}
	d.ended, err = clearUp(dir, append(opts.Others, opts.Extension))
	if err == nil {
		err = Writable(dir)
	}
	if err != nil {
		_ = lock.Close()
		return nil, nil, err
	}
	d.next = Next(d.ended)
	return w, d, nil
}

// Half is added to the name of a file that Ended has not finished.
const Half = ".tmp"

// clearUp lists the files in dir after removing what a daemon that was killed
// left: a file that was not finished, and one that is there in two forms, of
// which the one that Ended made was finished last.
func clearUp(dir string, extensions []string) ([]File, error) {
	var junk []string
	for _, x := range extensions {
		halves, err := filepath.Glob(filepath.Join(dir, "*"+x+Half))
		if err != nil {
			return nil, err
		}
		junk = append(junk, halves...)
	}
	list, err := List(dir, extensions...)
	if err != nil {
		return nil, err
	}
	whole := slices.CompactFunc(slices.Clone(list), SameNumber)
	for _, f := range list {
		if !slices.Contains(whole, f) {
			junk = append(junk, f.Path)
		}
	}
	for _, path := range junk {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return whole, nil
}

// SameNumber reports whether two files are forms of one.
func SameNumber(a, b File) bool { return a.Number == b.Number }

// Put hands an item over; it does not wait.
func (w *Writer) Put(i Item) error {
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- i:
		return nil
	default:
		w.count(func(st *Stats) { st.Behind += uint64(i.Count) }) //nolint:gosec // a length
		return ErrBehind
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

// Close writes last and what is left, if there is any, and waits for the disk.
// The error is that of the last writes.
func (w *Writer) Close(last ...Item) error {
	if w.closed {
		return ErrClosed
	}
	w.closed = true
	for _, i := range last {
		w.queue <- i
	}
	close(w.queue)
	<-w.done
	return w.Stats().Err
}
