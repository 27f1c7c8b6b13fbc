package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrCutShort is returned, after what is known so far, when a replay was ended.
var ErrCutShort = errors.New("ended before its time")

// ErrGap is returned for a trace with a timestamp far from all others.
var ErrGap = errors.New("a gap in time")

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
	opts TraceOptions
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
	// AllowGaps takes traces in which nothing happens for longer than maxGap.
	AllowGaps bool
	// Progress, when set, is told from time to time how far reading has come.
	Progress Progress
	// Context ends the reading; nil: nothing does.
	Context context.Context //nolint:containedctx // it ends the reading that the options describe
}

// maxGap is the longest time without a row, of any container of a node, that is
// taken for a gap and not for a wrong timestamp.
const maxGap = 30 * 24 * time.Hour

// OpenTrace reads and checks the trace at path.
func OpenTrace(path string, opts TraceOptions) (*Trace, error) {
	t := &Trace{Dataset: datasetOf(path), path: path, opts: opts, recording: recordingAt(path)}
	if t.recording != "" {
		t.Dataset, t.path = nameOf(t.recording), t.recording
	}
	if err := t.scan(); err != nil {
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	return t, nil
}

// Span is the time that the trace covers.
func (t *Trace) Span() time.Duration {
	return time.Duration(t.End-t.Start)*time.Second + t.Interval
}

// faults are told what is wrong with a trace that is read all the same.
type faults struct {
	skipped func(Skipped)
	cut     func()
}

// eachRow reads the rows: those of a node come together, and those of a
// container in order of time.
func (t *Trace) eachRow(doing string, f faults, visit func(csvRow) error) error {
	if t.recording != "" {
		return t.eachRecordedRow(doing, f, visit)
	}
	file, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	if !t.opts.SkipMalformed {
		f.skipped = nil
	}
	in, err := t.opts.watch(doing, file)
	if err != nil {
		return err
	}
	r, err := newCSVReader(in, f.skipped)
	if err != nil {
		return err
	}
	for rows := 0; ; rows++ {
		if ctx := t.opts.Context; ctx != nil && rows%1024 == 0 && ctx.Err() != nil {
			return ErrCutShort
		}
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(row); err != nil {
			return err
		}
	}
}

// scan reads the whole trace once.
func (t *Trace) scan() error {
	f := faults{cut: func() { t.Cut++ }, skipped: func(s Skipped) {
		t.Skipped++
		if len(t.SkippedRows) < maxReported {
			t.SkippedRows = append(t.SkippedRows, s)
		}
	}}
	node, last := "", map[string]int64{} // the last row of each container of the node
	shortest := int64(0)
	var times spans
	err := t.eachRow("reading", f, func(row csvRow) error {
		times.add(row)
		if t.Rows == 0 || row.node != node {
			t.Nodes++
			node = row.node
			clear(last)
		}
		if before, known := last[row.container]; !known {
			t.Containers++
		} else if shortest == 0 || row.At-before < shortest {
			shortest = row.At - before
		}
		last[row.container] = row.At
		if t.Rows == 0 {
			t.Start, t.End = row.At, row.At
		}
		t.Start, t.End = min(t.Start, row.At), max(t.End, row.At)
		t.HasCPU = t.HasCPU || row.CPU.Present
		t.HasMemory = t.HasMemory || row.Memory.Present
		t.Rows++
		return nil
	})
	if err == nil && !t.opts.AllowGaps {
		err = times.check()
	}
	switch {
	case err != nil:
		return err
	case t.Rows == 0 && t.recording != "":
		return fmt.Errorf("%w: no regular container that an agent reports", ErrEmpty)
	case t.Rows == 0:
		return ErrEmpty
	case t.recording != "":
		t.Interval = t.opts.step()
	case shortest == 0:
		return fmt.Errorf("%w: no container has two rows, so there is no interval", ErrEmpty)
	default:
		t.Interval = time.Duration(shortest) * time.Second
	}
	return nil
}

// spans are the times that the containers of a trace cover, put together where
// less than maxGap is between them.
type spans []span

type span struct {
	from, to   int64
	node, name string // of the row that began it
}

// add adds a row. Containers come one after the other, so that most rows extend
// the span that they are in.
func (s *spans) add(row csvRow) {
	const gap = int64(maxGap / time.Second)
	at := row.At
	joined := -1
	for i := range *s {
		if x := &(*s)[i]; at >= x.from-gap && at <= x.to+gap {
			x.from, x.to = min(x.from, at), max(x.to, at)
			if joined >= 0 { // it was between two, which are one now
				first := &(*s)[joined]
				first.from, first.to = min(first.from, x.from), max(first.to, x.to)
				*s = slices.Delete(*s, i, i+1)
				return
			}
			joined = i
		}
	}
	if joined < 0 && len(*s) < maxReported {
		*s = append(*s, span{at, at, row.node, row.container})
	}
}

func (s *spans) check() error {
	if len(*s) < 2 {
		return nil
	}
	a, b := (*s)[0], (*s)[1]
	return fmt.Errorf("%w: container %q of node %q is at %d s, and %q of %q at %d s, with nothing between them for more than %s; correct the timestamp, or take it with --allow-gaps",
		ErrGap, b.name, b.node, b.from, a.name, a.node, a.to, Span(maxGap))
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
	s, err := newSpool()
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }() // unlinked already
	node := ""
	flush := func() error {
		if len(s.columns) == 0 {
			return nil
		}
		n, err := newNode(node, s)
		if err != nil {
			return err
		}
		if err := visit(n); err != nil {
			return err
		}
		return s.reset()
	}
	f := faults{cut: func() {}, skipped: func(Skipped) {}} // counted when it was opened
	err = t.eachRow("replaying", f, func(row csvRow) error {
		if row.node != node {
			if err := flush(); err != nil {
				return err
			}
			node = row.node
		}
		return s.add(row.container, row.Row)
	})
	if err != nil {
		return err
	}
	return flush()
}

// Export writes the trace as a CSV file.
func (t *Trace) Export(w io.Writer) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintln(out, Header) // Flush has the error
	if err := t.EachNode(func(n *Node) error { return n.writeRows(out) }); err != nil {
		return err
	}
	return out.Flush()
}

// datasetOf is "google" for "traces/google.csv.gz".
func datasetOf(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".csv")
}
