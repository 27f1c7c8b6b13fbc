package replay

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
)

// A trace comes container by container, or (a recording) time by time, and is
// replayed by time and exported by container. So the rows of one node are spooled
// to a temporary file, in chunks of one container each: memory holds a chunk per
// container, the disk one node, whatever the length of the trace.

const (
	// rowValues is how many numbers a Row has.
	rowValues = 5
	// chunkRows is how many rows of a container are written at once.
	chunkRows = 64
)

// column is the rows of one container.
type column struct {
	container string
	// chunks are the offsets of full chunks, pending the rows after those.
	chunks  []int64
	pending []float64
}

// spool is the temporary file of one node.
type spool struct {
	file    *os.File
	out     *bufio.Writer
	size    int64
	buffer  []byte
	columns []*column
	byID    map[string]*column
}

// newSpool makes a spool that is gone when it is closed, or when the process
// dies.
func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "estimatord-replay-*")
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &spool{file: f, out: bufio.NewWriterSize(f, 256<<10), byID: make(map[string]*column)}, nil
}

func (s *spool) close() error { return s.file.Close() }

// reset starts a new node.
func (s *spool) reset() error {
	s.columns, s.size = nil, 0
	clear(s.byID)
	s.out.Reset(s.file)
	if _, err := s.file.Seek(0, 0); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// add appends a row of a container; those of one come in order of time.
func (s *spool) add(container string, r Row) error {
	c := s.byID[container]
	if c == nil {
		c = &column{container: container}
		s.columns, s.byID[container] = append(s.columns, c), c
	}
	// An absent resource is spooled as an allocation of 0, which no row has.
	c.pending = append(c.pending, float64(r.At), r.CPU.Used, r.CPU.Allocated, r.Memory.Used, r.Memory.Allocated)
	if len(c.pending) < chunkRows*rowValues {
		return nil
	}
	var err error
	if s.buffer, err = binary.Append(s.buffer[:0], binary.LittleEndian, c.pending); err == nil {
		_, err = s.out.Write(s.buffer)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	c.chunks, c.pending = append(c.chunks, s.size), c.pending[:0]
	s.size += int64(len(s.buffer))
	return nil
}

// cursor reads the rows of one container. It is read after all were added.
type cursor struct {
	*column
	row   Row
	index int       // of the container on its node
	chunk int       // the next one
	left  []float64 // what was read of the chunk before and not used
	room  []float64
}

// advance moves to the next row; false after the last.
func (s *spool) advance(c *cursor) (bool, error) {
	switch {
	case len(c.left) > 0:
	case c.chunk < len(c.chunks):
		if c.room == nil {
			c.room = make([]float64, chunkRows*rowValues)
		}
		s.buffer = append(s.buffer[:0], make([]byte, 8*len(c.room))...)
		_, err := s.file.ReadAt(s.buffer, c.chunks[c.chunk])
		if err == nil {
			_, err = binary.Decode(s.buffer, binary.LittleEndian, c.room)
		}
		if err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		c.chunk++
		c.left = c.room
	case c.chunk == len(c.chunks):
		c.chunk++
		c.left = c.pending
		if len(c.left) == 0 {
			return false, nil
		}
	default:
		return false, nil
	}
	v := c.left[:rowValues]
	c.left = c.left[rowValues:]
	c.row = Row{
		At:     int64(v[0]),
		CPU:    Amounts{Used: v[1], Allocated: v[2], Present: v[2] > 0},
		Memory: Amounts{Used: v[3], Allocated: v[4], Present: v[4] > 0},
	}
	return true, nil
}
