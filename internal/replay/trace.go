package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxReported is how many skipped rows are kept with their reason; all are
// counted.
const maxReported = 20

// ErrEmpty is returned for a trace without a usable row.
var ErrEmpty = errors.New("no rows")

// Trace is one CSV file, gzipped or not, or one of the daemon's recordings. Opening reads it once, to check
// every row and learn its span; each replay reads it once more.
type Trace struct {
	// Dataset is the file's name without directory and extension.
	Dataset string
	// Interval is the time between two steps.
	Interval time.Duration
	// Start and End are the times of the first and the last row.
	Start, End int64
	// HasCPU, HasMemory: some row has the resource.
	HasCPU, HasMemory bool
	// Rows, Nodes, Containers count what is used.
	Rows, Nodes, Containers int
	// Skipped counts the malformed rows that were left out, the first of which
	// are in SkippedRows.
	Skipped     int
	SkippedRows []Skipped
	// Cut counts the files of a recording that end in the middle, as those of a
	// daemon that was killed or still records; what is before is used.
	Cut int

	path string
	skip bool
	// recording is its path, "" for a CSV file; cores are its node's.
	recording string
	cores     float64
}

// TraceOptions says how to open a trace.
type TraceOptions struct {
	// SkipMalformed leaves malformed rows out and counts them; otherwise the
	// first one is an error.
	SkipMalformed bool
	// Step is what the ticks of a recording are put together to, in whole
	// seconds; 0: DefaultStep.
	Step time.Duration
}

// OpenTrace reads and checks the trace at path.
func OpenTrace(path string, opts TraceOptions) (*Trace, error) {
	t := &Trace{Dataset: datasetOf(path), path: path, skip: opts.SkipMalformed, recording: recordingAt(path)}
	if t.recording != "" {
		t.Dataset = nameOf(t.recording)
		if err := t.scanRecording(opts.Step); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
	}
	if err := t.scan(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Span is the time that the trace covers.
func (t *Trace) Span() time.Duration {
	return time.Duration(t.End-t.Start)*time.Second + t.Interval
}

// scan reads the whole trace once.
func (t *Trace) scan() error {
	r, file, err := t.rows(func(s Skipped) {
		t.Skipped++
		if len(t.SkippedRows) < maxReported {
			t.SkippedRows = append(t.SkippedRows, s)
		}
	})
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	var before csvRow
	shortest := int64(0)
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch {
		case !row.sameContainer:
			t.Containers++
			if t.Rows == 0 || row.node != before.node {
				t.Nodes++
			}
		case shortest == 0 || row.At-before.At < shortest:
			shortest = row.At - before.At
		}
		if t.Rows == 0 {
			t.Start, t.End = row.At, row.At
		}
		t.Start, t.End = min(t.Start, row.At), max(t.End, row.At)
		t.HasCPU = t.HasCPU || row.CPU.Present
		t.HasMemory = t.HasMemory || row.Memory.Present
		t.Rows++
		before = row
	}
	if t.Rows == 0 {
		return ErrEmpty
	}
	if shortest == 0 {
		return fmt.Errorf("%w: no container has two rows, so there is no interval", ErrEmpty)
	}
	t.Interval = time.Duration(shortest) * time.Second
	return nil
}

// EachNode replays the nodes one after the other. A Node is valid during the
// call it is given to.
func (t *Trace) EachNode(visit func(*Node) error) error {
	if err := t.eachNode(visit); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return nil
}

func (t *Trace) eachNode(visit func(*Node) error) error {
	if t.recording != "" {
		return t.visitRecording(visit)
	}
	r, file, err := t.rows(func(Skipped) {}) // counted when it was opened
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	s, err := newSpool("")
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }() // unlinked already
	flush := func(id string) error {
		n, err := newNode(id, s)
		if err != nil {
			return err
		}
		if err := visit(n); err != nil {
			return err
		}
		return s.reset()
	}
	node := ""
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			if len(s.segments) == 0 {
				return nil
			}
			return flush(node)
		}
		if err != nil {
			return err
		}
		if len(s.segments) > 0 && row.node != node {
			if err := flush(node); err != nil {
				return err
			}
		}
		node = row.node
		if err := s.add(row.container, row.Row); err != nil {
			return err
		}
	}
}

func (t *Trace) rows(skip func(Skipped)) (*csvReader, io.Closer, error) {
	f, err := os.Open(t.path)
	if err != nil {
		return nil, nil, err
	}
	if !t.skip {
		skip = nil
	}
	r, err := newCSVReader(f, skip)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return r, f, nil
}

// datasetOf is "google" for "traces/google.csv.gz".
func datasetOf(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".csv")
}
