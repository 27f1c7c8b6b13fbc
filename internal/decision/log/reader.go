package log

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
)

// Reader reads a log, also while it is written, and long after. It is for one
// goroutine.
type Reader struct {
	dir      string
	segments []rotate.File
	// skipped are the lines passed over so far.
	skipped map[place]struct{}
}

// place is a line of a file; the one after the last is its end.
type place struct {
	number uint64
	line   int
}

// Skipped is how many lines were passed over so far because they were cut off
// or could not be read; a file that could not be read counts as one.
func (r *Reader) Skipped() int { return len(r.skipped) }

// Open opens the log in dir.
func Open(dir string) (*Reader, error) {
	list, err := segmentsIn(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no directory %s", ErrNoLog, dir)
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("%w: there is no file *%s in %s", ErrNoLog, plain, dir)
	}
	return &Reader{dir: dir, segments: list, skipped: map[place]struct{}{}}, nil
}

// All yields the lines in the order they were written, as text without the
// line end and parsed. The text is valid until the next.
func (r *Reader) All() iter.Seq2[[]byte, *decision.Line] {
	return func(yield func([]byte, *decision.Line) bool) {
		for _, s := range r.segments {
			for i, text := range r.lines(s) {
				if l := r.parse(text, place{s.Number, i}); l != nil && !yield(text, l) {
					return
				}
			}
		}
	}
}

// Backward yields the lines for which match holds, the newest first; nil
// matches all. match sees the text, so that not every line has to be parsed.
func (r *Reader) Backward(match func([]byte) bool) iter.Seq[*decision.Line] {
	return func(yield func(*decision.Line) bool) {
		for _, s := range slices.Backward(r.segments) {
			for i, text := range slices.Backward(r.lines(s)) {
				if match != nil && !match(text) {
					continue
				}
				if l := r.parse(text, place{s.Number, i}); l != nil && !yield(l) {
					return
				}
			}
		}
	}
}

func (r *Reader) parse(text []byte, at place) *decision.Line {
	l, err := decision.ParseLine(text)
	if err != nil {
		r.skipped[at] = struct{}{}
		return nil
	}
	return l
}

// maxFile is the most that is read of a file: far more than any is written
// with, so that a file that was made to unpack to more is no danger.
const maxFile = 256 << 20

// lines are the whole lines of a file.
func (r *Reader) lines(s rotate.File) [][]byte {
	text, err := content(s)
	if errors.Is(err, fs.ErrNotExist) {
		if again, ok := r.again(s); ok {
			text, err = content(again)
		} else {
			return nil // it was the oldest, and is gone by now
		}
	}
	lines := bytes.Split(text, []byte("\n"))
	last := len(lines) - 1
	if err != nil || len(lines[last]) > 0 {
		r.skipped[place{s.Number, last}] = struct{}{}
	}
	return lines[:last]
}

// again finds a file that was compressed since the directory was listed.
func (r *Reader) again(s rotate.File) (rotate.File, bool) {
	list, err := segmentsIn(r.dir)
	if err != nil {
		return s, false
	}
	i := slices.IndexFunc(list, func(o rotate.File) bool { return o.Number == s.Number })
	if i < 0 {
		return s, false
	}
	return list[i], true
}

// content is what can be read of a file, also when there is an error.
func content(s rotate.File) ([]byte, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	if !isPacked(&s) {
		return io.ReadAll(io.LimitReader(f, maxFile))
	}
	zip, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFile))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	return io.ReadAll(io.LimitReader(zip, maxFile))
}
