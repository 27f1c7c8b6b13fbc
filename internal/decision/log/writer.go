package log

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Writer logs records. Observe and Close are for one goroutine; only Close
// waits. Stats is for any.
type Writer struct {
	files *rotate.Writer
}

// Create begins to log into dir, which is made where it does not exist (its
// parent must). What is there already stays, up to MaxBytes.
func Create(dir string, opts Options, log *slog.Logger) (*Writer, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w, err := rotate.Create(dir, rotate.Options{
		Extension: plain, Others: []string{packed}, MaxFileBytes: opts.MaxFileBytes, MaxFileAge: opts.MaxFileAge,
		// One more file can be written, and the last one compressed.
		Keep:       rotate.Limits{Bytes: opts.MaxBytes - 2*opts.MaxFileBytes},
		RetryAfter: opts.RetryAfter, Queue: opts.Queue, Ended: pack, What: "decision log", Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	return &Writer{files: w}, nil
}

// Observe logs r. It does not wait: a line that the disk is too slow for is left
// out and counted.
func (w *Writer) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	_ = w.files.Put(rotate.Item{At: r.At, Count: 1, Append: r.Append}) // Stats counts it
}

// Stats is what was done so far, in lines.
func (w *Writer) Stats() rotate.Stats { return w.files.Stats() }

// Close writes what is left; it waits for the disk. The error is that of the
// last writes.
func (w *Writer) Close() error {
	if err := w.files.Close(); !errors.Is(err, rotate.ErrClosed) {
		return err
	}
	return nil
}

func isPacked(f rotate.File) bool { return strings.HasSuffix(f.Path, packed) }
