package log

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
)

// Writer logs records. Observe is for one goroutine, which never waits; Close
// is for the same, and does wait. Stats is for any.
type Writer struct{ files *rotate.Writer }

// Create begins to log into dir, which is made where it does not exist (its
// parent must). What is there already stays, up to MaxBytes.
func Create(dir string, opts Options, log *slog.Logger) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	files, err := rotate.Create(dir, rotate.Options{
		Extension: plain, Others: []string{packed}, MaxFileBytes: opts.MaxFileBytes, MaxFileAge: opts.MaxFileAge,
		// Room for the file that is written and the one that is being compressed.
		Keep:       rotate.Limits{Bytes: opts.MaxBytes - 2*opts.MaxFileBytes},
		RetryAfter: opts.RetryAfter, Queue: opts.Queue,
		Prepare: func() error { return removeLeftovers(dir) }, Ended: pack,
		What: "decision log", Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	return &Writer{files: files}, nil
}

// removeLeftovers removes the files that nobody reads.
func removeLeftovers(dir string) error {
	list, err := segmentsIn(dir)
	if err != nil {
		return err
	}
	junk, err := leftovers(dir, list)
	for _, path := range junk {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// Observe logs r, which must have its Inputs. It does not wait.
func (w *Writer) Observe(r *decision.Record) {
	line := func(b []byte) []byte { return decision.LineOf(r).Append(b) }
	_ = w.files.Put(rotate.Item{At: r.At, Count: 1, Append: line}) // what is left out is counted
}

// Stats is what was done so far, in lines.
func (w *Writer) Stats() rotate.Stats { return w.files.Stats() }

// Close writes what is left; it waits for the disk. The error is that of the
// last writes.
func (w *Writer) Close() error { return w.files.Close() }
