package replay

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// A trace comes node by node and container by container, but is replayed by
// time. So
// the rows of one node are spooled to a temporary file, container by
// container, and merged from there: memory holds a buffer per container, the
// disk one node, whatever the length of the trace.

const (
	// recordBytes is the size of a spooled Row.
	recordBytes = 5 * 8
	// cursorRecords is how many records a cursor reads at once.
	cursorRecords = 64
)

// segment is where the rows of one container are.
type segment struct {
	container string
	offset    int64
	rows      int
}

// spool is the temporary file of one node.
type spool struct {
	file     *os.File
	out      *bufio.Writer
	segments []segment
	size     int64
	record   [recordBytes]byte
}

// newSpool makes a spool in dir ("" for the system's) that is gone when it is
// closed, or when the process dies.
func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "estimatord-replay-*")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &spool{file: f, out: bufio.NewWriterSize(f, 256<<10)}, nil
}

func (s *spool) close() error { return s.file.Close() }

// reset starts a new node.
func (s *spool) reset() error {
	s.segments, s.size = s.segments[:0], 0
	s.out.Reset(s.file)
	if _, err := s.file.Seek(0, 0); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// add appends one row; rows of a container come one after the other.
func (s *spool) add(container string, r Row) error {
	if n := len(s.segments); n == 0 || s.segments[n-1].container != container {
		s.segments = append(s.segments, segment{container: container, offset: s.size})
	}
	s.segments[len(s.segments)-1].rows++
	s.size += recordBytes
	encodeRow(&s.record, r)
	if _, err := s.out.Write(s.record[:]); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// An absent resource is spooled as an allocation of 0, which no row has.
func encodeRow(b *[recordBytes]byte, r Row) {
	binary.LittleEndian.PutUint64(b[0:], uint64(r.At)) //nolint:gosec // the bits are what counts, decodeRow has the inverse
	for i, v := range [...]float64{r.CPU.Used, r.CPU.Allocated, r.Memory.Used, r.Memory.Allocated} {
		binary.LittleEndian.PutUint64(b[8+8*i:], math.Float64bits(v))
	}
}

func decodeRow(b []byte) Row {
	var v [4]float64
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8+8*i:]))
	}
	return Row{
		At:     int64(binary.LittleEndian.Uint64(b)), //nolint:gosec // inverse of encodeRow
		CPU:    Amounts{Used: v[0], Allocated: v[1], Present: v[1] > 0},
		Memory: Amounts{Used: v[2], Allocated: v[3], Present: v[3] > 0},
	}
}

// cursor reads the rows of one container.
type cursor struct {
	row       Row
	next      int64 // offset of the record after the buffered ones
	left      int   // records not read yet
	buffer    []byte
	used      int
	container int // index of its segment
}

// advance moves to the next row; false after the last. free takes the buffer
// of an exhausted cursor for the next one.
func (s *spool) advance(c *cursor) (bool, error) {
	if c.used == len(c.buffer) {
		if c.left == 0 {
			return false, nil
		}
		n := min(c.left, cursorRecords)
		if cap(c.buffer) < n*recordBytes {
			c.buffer = make([]byte, n*recordBytes)
		}
		c.buffer, c.used = c.buffer[:n*recordBytes], 0
		if _, err := s.file.ReadAt(c.buffer, c.next); err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		c.next += int64(len(c.buffer))
		c.left -= n
	}
	c.row = decodeRow(c.buffer[c.used : c.used+recordBytes])
	c.used += recordBytes
	return true, nil
}
