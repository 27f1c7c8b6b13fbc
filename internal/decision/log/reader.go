package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
)

// Reader reads a log, also while it is written, and long after. It is for one
// goroutine.
type Reader struct {
	dir   string
	files []rotate.File
	// indexes are those of compressed files that were read, nil for none; unpacked is
	// the file whose lines were unpacked last.
	indexes  map[uint64]*index
	zip      *zstd.Decoder // of indexes
	unpacked struct {
		number uint64
		lines  [][]byte
	}
	// skipped are the lines passed over so far.
	skipped map[Place]struct{}
}

// Place is a line of a file; the one after the last is its end. The zero Place
// is the end of the log.
type Place struct {
	number uint64
	line   int
}

// Query says which records are wanted. The zero Query is for all.
type Query struct {
	// Before is where the search begins.
	Before Place
	// Since and Until bound the time; zero: none.
	Since, Until time.Time
	// Texts are all in the line, so that not every line has to be parsed.
	Texts []string
	// About, when it is not "", is a name of a container in the line: the
	// beginning of its id, its executor or a task of it. Kills asks for kills
	// only, otherwise it is about who was weighed.
	About string
	Kills bool
}

// Skipped is how many lines were passed over so far because they were cut off
// or could not be read; a file that could not be read counts as one.
func (r *Reader) Skipped() int { return len(r.skipped) }

// Open opens the log in dir.
func Open(dir string) (*Reader, error) {
	list, err := filesIn(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no directory %s", ErrNoLog, dir)
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("%w: there is no file *%s in %s", ErrNoLog, plain, dir)
	}
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxIndex))
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir, files: list, zip: zip, indexes: map[uint64]*index{}, skipped: map[Place]struct{}{}}, nil
}

// All yields the records in the order they were written, with their lines
// without the end. A line is valid until the next.
func (r *Reader) All() iter.Seq2[[]byte, *decision.Record] { return r.after(Place{}) }

// After yields the records behind a place, in the order they were written.
func (r *Reader) After(p Place) iter.Seq[*decision.Record] {
	return func(yield func(*decision.Record) bool) {
		for _, rec := range r.after(p) {
			if !yield(rec) {
				return
			}
		}
	}
}

func (r *Reader) after(p Place) iter.Seq2[[]byte, *decision.Record] {
	return func(yield func([]byte, *decision.Record) bool) {
		for _, f := range r.files {
			if f.Number < p.number {
				continue
			}
			for i, text := range r.lines(f) {
				if f.Number == p.number && i <= p.line {
					continue
				}
				if rec := r.parse(text, Place{f.Number, i}); rec != nil && !yield(text, rec) {
					return
				}
			}
		}
	}
}

// Backward yields the records that q asks for, the newest first.
func (r *Reader) Backward(q Query) iter.Seq2[Place, *decision.Record] {
	texts := slices.Clone(q.Texts)
	if q.About != "" {
		texts = append(texts, Quoted(q.About), string(weighedMark))
		if q.Kills {
			texts[len(texts)-1] = string(killsMark)
		}
	}
	return func(yield func(Place, *decision.Record) bool) {
		for _, f := range slices.Backward(r.files) {
			if q.Before.number != 0 && f.Number > q.Before.number || !r.mayHold(f, &q) {
				continue
			}
			for i, text := range slices.Backward(r.lines(f)) {
				p := Place{f.Number, i}
				if f.Number == q.Before.number && i >= q.Before.line || !q.holds(text, texts) {
					continue
				}
				if rec := r.parse(text, p); rec != nil && !yield(p, rec) {
					return
				}
			}
		}
	}
}

// holds reports whether a line is within the times and has all of the texts.
func (q *Query) holds(line []byte, texts []string) bool {
	for _, text := range texts {
		if !bytes.Contains(line, []byte(text)) {
			return false
		}
	}
	if q.Since.IsZero() && q.Until.IsZero() {
		return true
	}
	at, ok := timeOf(line)
	return !ok || !at.Before(q.Since) && (q.Until.IsZero() || !at.After(q.Until))
}

// mayHold reports whether a file may have what q asks for, by its index.
func (r *Reader) mayHold(f rotate.File, q *Query) bool {
	if !isPacked(f) {
		return true
	}
	x, known := r.indexes[f.Number]
	if !known {
		x, _ = r.indexIn(f.Path) // without one the file is read
		r.indexes[f.Number] = x
	}
	if x == nil {
		return true
	}
	// The calendar may have been set within the file, forwards or backwards.
	if x.last.Before(x.first) {
		return true
	}
	if !q.Until.IsZero() && x.first.After(q.Until) || !q.Since.IsZero() && x.last.Before(q.Since) {
		return false
	}
	return q.About == "" || x.knows(q)
}

// Quoted is how a text stands in a line, without the quotes.
func Quoted(s string) string {
	b, _ := json.Marshal(s) // of a string this cannot fail
	return string(b[1 : len(b)-1])
}

func (r *Reader) parse(text []byte, at Place) *decision.Record {
	rec, err := decision.Parse(text)
	if err != nil {
		r.skipped[at] = struct{}{}
		return nil
	}
	return rec
}

// maxFile is the most that is read of a file: far more than any is written
// with, so that a file that was made to unpack to more is no danger.
const maxFile = 256 << 20

// lines are the whole lines of a file.
func (r *Reader) lines(s rotate.File) [][]byte {
	if r.unpacked.number == s.Number {
		return r.unpacked.lines
	}
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
		r.skipped[Place{s.Number, last}] = struct{}{}
	}
	r.unpacked.number, r.unpacked.lines = s.Number, lines[:last]
	return lines[:last]
}

// again finds a file that was compressed since the directory was listed.
func (r *Reader) again(s rotate.File) (rotate.File, bool) {
	list, err := filesIn(r.dir)
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
	if !isPacked(s) {
		return io.ReadAll(io.LimitReader(f, maxFile))
	}
	zip, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFile))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	return io.ReadAll(io.LimitReader(zip, maxFile))
}
