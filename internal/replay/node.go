package replay

import (
	"container/heap"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Node is one node of a trace, replayed step by step.
type Node struct {
	// ID is the node's name.
	ID string
	// Cores is its capacity: the number after the last "c" of its id; 0 when
	// the id has none.
	Cores float64

	spool   *spool
	cursors []*cursor // sorted by container
	queue   cursorQueue
}

// Step is all containers of a node at one time, sorted by id.
type Step struct {
	// At is as in Row.
	At int64
	// IDs and Rows belong together.
	IDs  []string
	Rows []Row
}

// newNode replays the rows in the spool.
func newNode(id string, s *spool) (*Node, error) {
	if err := s.out.Flush(); err != nil {
		return nil, err
	}
	slices.SortFunc(s.columns, func(a, b *column) int { return strings.Compare(a.container, b.container) })
	n := &Node{ID: id, Cores: coresOf(id), spool: s}
	for i, column := range s.columns {
		c := &cursor{column: column, index: i}
		n.cursors = append(n.cursors, c)
		ok, err := s.advance(c)
		if err != nil {
			return nil, err
		}
		if ok {
			n.queue = append(n.queue, c)
		}
	}
	heap.Init(&n.queue)
	return n, nil
}

// Next fills step with the containers at the next time; false after the last.
func (n *Node) Next(step *Step) (bool, error) {
	step.IDs, step.Rows = step.IDs[:0], step.Rows[:0]
	if len(n.queue) == 0 {
		return false, nil
	}
	step.At = n.queue[0].row.At
	for len(n.queue) > 0 && n.queue[0].row.At == step.At {
		c := n.queue[0]
		step.IDs = append(step.IDs, c.container)
		step.Rows = append(step.Rows, c.row)
		ok, err := n.spool.advance(c)
		switch {
		case err != nil:
			return false, err
		case ok:
			heap.Fix(&n.queue, 0)
		default:
			heap.Pop(&n.queue)
		}
	}
	return true, nil
}

// writeRows writes the rows container by container, as a trace has them.
func (n *Node) writeRows(w io.Writer) error {
	for _, c := range n.cursors {
		for _, id := range []string{n.ID, c.container} {
			if !validID(id) {
				return fmt.Errorf("%w: %q cannot be an id", ErrRow, id)
			}
		}
		for {
			if _, err := io.WriteString(w, c.row.text(n.ID, c.container)); err != nil {
				return err
			}
			ok, err := n.spool.advance(c)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
		}
	}
	return nil
}

// coresOf is the capacity that a node's id ends with: 32 for "gg00c32".
func coresOf(id string) float64 {
	i := strings.LastIndexByte(id, 'c')
	if i < 0 {
		return 0
	}
	cores, err := strconv.ParseUint(id[i+1:], 10, 16)
	if err != nil {
		return 0
	}
	return float64(cores)
}

// cursorQueue orders cursors by time, then by container, so that a step comes
// out sorted by id.
type cursorQueue []*cursor

func (q cursorQueue) Len() int { return len(q) }

func (q cursorQueue) Less(i, j int) bool {
	if q[i].row.At != q[j].row.At {
		return q[i].row.At < q[j].row.At
	}
	return q[i].index < q[j].index
}

func (q cursorQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface; nothing is ever pushed.
func (q *cursorQueue) Push(x any) { *q = append(*q, x.(*cursor)) } //nolint:forcetypeassert // only cursors are in it

// Pop implements heap.Interface.
func (q *cursorQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
