package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// maxLine is the longest line of a trace, in bytes; ids are short.
const maxLine = 64 << 10

// sortHint is the command that sorts a trace.
const sortHint = "(head -1 TRACE; tail -n +2 TRACE | LC_ALL=C sort -t, -k2,2 -k3,3 -k1,1n) > SORTED"

// Skipped is one malformed row that was left out.
type Skipped struct {
	Line int
	Err  error
}

// csvReader reads the rows of one trace.
type csvReader struct {
	lines *bufio.Scanner
	line  int
	// skip: leave malformed rows out, instead of failing at the first.
	skip func(Skipped)

	node, container string
	last            int64
	// nodes and containers (of the present node) are those that have begun;
	// none may begin twice.
	nodes, containers map[string]struct{}
}

// newCSVReader starts reading a trace, gzipped or not, and checks its header.
func newCSVReader(r io.Reader, skip func(Skipped)) (*csvReader, error) {
	buffered := bufio.NewReaderSize(r, maxLine)
	var text io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		text = unzipped
	}
	c := &csvReader{
		lines: bufio.NewScanner(text), skip: skip,
		nodes: make(map[string]struct{}), containers: make(map[string]struct{}),
	}
	c.lines.Buffer(make([]byte, 0, maxLine), maxLine)
	if !c.lines.Scan() {
		if err := c.lines.Err(); err != nil {
			return nil, fmt.Errorf("line 1: %w", err)
		}
		return nil, fmt.Errorf("%w: the file is empty", ErrHeader)
	}
	c.line = 1
	if got := trimCR(bytes.TrimPrefix(c.lines.Bytes(), []byte("\ufeff"))); string(got) != Header {
		return nil, fmt.Errorf("%w: %q, want %q", ErrHeader, clip(got), Header)
	}
	return c, nil
}

// csvRow is one row with its ids; the ids of equal rows are the same string.
type csvRow struct {
	Row
	node, container string
}

// next returns the next row; io.EOF after the last.
func (c *csvReader) next() (csvRow, error) {
	for c.lines.Scan() {
		c.line++
		line := trimCR(c.lines.Bytes())
		if len(line) == 0 {
			continue
		}
		row, err := c.accept(line)
		if err == nil {
			return row, nil
		}
		if errors.Is(err, ErrOrder) && !errors.Is(err, errTwice) {
			// A trace that is not sorted is not malformed here and there: little of it
			// would be left.
			return csvRow{}, fmt.Errorf("line %d: %w; sort it: %s", c.line, err, sortHint)
		}
		if c.skip == nil {
			return csvRow{}, fmt.Errorf("line %d: %w", c.line, err)
		}
		c.skip(Skipped{Line: c.line, Err: err})
	}
	err := c.lines.Err()
	switch {
	case err == nil:
		return csvRow{}, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return csvRow{}, fmt.Errorf("after line %d: the file is cut off: %w", c.line, err)
	default:
		return csvRow{}, fmt.Errorf("after line %d: %w", c.line, err)
	}
}

// accept parses a line and checks that it comes after the one before.
func (c *csvReader) accept(line []byte) (csvRow, error) {
	p, err := parseRow(line)
	if err != nil {
		return csvRow{}, err
	}
	sameNode := string(p.node) == c.node
	sameContainer := sameNode && string(p.container) == c.container
	if sameContainer && p.At == c.last {
		return csvRow{}, fmt.Errorf("%w: time %d after %d", errTwice, p.At, c.last)
	}
	if sameContainer && p.At < c.last {
		return csvRow{}, fmt.Errorf("%w: time %d after %d", ErrOrder, p.At, c.last)
	}
	if !sameNode {
		if _, twice := c.nodes[string(p.node)]; twice {
			return csvRow{}, fmt.Errorf("%w: node %q again after %q", ErrOrder, clip(p.node), c.node)
		}
	} else if !sameContainer {
		if _, twice := c.containers[string(p.container)]; twice {
			return csvRow{}, fmt.Errorf("%w: container %q again after %q", ErrOrder, clip(p.container), c.container)
		}
	}
	if !sameNode {
		c.node = string(p.node)
		c.nodes[c.node] = struct{}{}
		clear(c.containers)
	}
	if !sameContainer {
		c.container = string(p.container)
		c.containers[c.container] = struct{}{}
	}
	c.last = p.At
	return csvRow{Row: p.Row, node: c.node, container: c.container}, nil
}

func trimCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }
