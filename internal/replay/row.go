package replay

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Header is the first line of a trace. Memory columns may be empty in all rows
// of a container, when the source has no memory.
const Header = "timestamp_s,node_id,container_id,cpu_used,cpu_alloc,mem_used,mem_alloc"

// Sentinels for what cannot be replayed.
var (
	// ErrHeader: the first line is not Header.
	ErrHeader = errors.New("unexpected header")
	// ErrRow: a row is malformed.
	ErrRow = errors.New("malformed row")
	// ErrOrder: a row is out of order: the rows of a node come together, within
	// it those of a container, and those by time.
	ErrOrder = errors.New("row out of order")
	// errTwice: a container has two rows for one time.
	errTwice = fmt.Errorf("%w: a second row for a time", ErrOrder)
)

// maxQuantity bounds usage and allocation (cores, MiB): beyond it sums would
// no longer be exact to a thousandth.
const maxQuantity = 1e12

// Row is one container at one step: its mean usage over the step that ends At.
type Row struct {
	// At is in seconds since the start of the trace, or since 1970.
	At int64
	// Used and Allocated are in cores for CPU, MiB for memory.
	CPU, Memory Amounts
}

// validID reports whether id can stand in a line of a trace.
func validID(id string) bool { return id != "" && !strings.ContainsAny(id, ",\r\n") }

// text is the row as a line of a trace.
func (r *Row) text(node, container string) string {
	pair := func(a Amounts) string {
		if !a.Present {
			return ","
		}
		return strconv.FormatFloat(a.Used, 'f', -1, 64) + "," + strconv.FormatFloat(a.Allocated, 'f', -1, 64)
	}
	return fmt.Sprintf("%d,%s,%s,%s,%s\n", r.At, node, container, pair(r.CPU), pair(r.Memory))
}

// Amounts is usage and allocation of one resource.
type Amounts struct {
	Used, Allocated float64
	// Present is false when the source does not have the resource.
	Present bool
}

// parsedRow is a Row with the ids as they stand in the line.
type parsedRow struct {
	Row
	node, container []byte
}

// parseRow parses one line without its line break. The ids alias line.
func parseRow(line []byte) (parsedRow, error) {
	var r parsedRow
	var fields [7][]byte
	rest := line
	for i := range fields {
		field, after, more := bytes.Cut(rest, []byte{','})
		if more != (i < len(fields)-1) {
			return r, fmt.Errorf("%w: %q does not have %d fields", ErrRow, clip(line), len(fields))
		}
		fields[i], rest = field, after
	}
	at, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || at < 0 || at > math.MaxInt64/int64(1e9) {
		return r, fmt.Errorf("%w: timestamp_s %q", ErrRow, clip(fields[0]))
	}
	r.At, r.node, r.container = at, fields[1], fields[2]
	if len(r.node) == 0 || len(r.container) == 0 {
		return r, fmt.Errorf("%w: %q lacks an id", ErrRow, clip(line))
	}
	if r.CPU, err = parseAmounts(fields[3], fields[4]); err != nil {
		return r, fmt.Errorf("cpu: %w", err)
	}
	if r.Memory, err = parseAmounts(fields[5], fields[6]); err != nil {
		return r, fmt.Errorf("mem: %w", err)
	}
	if !r.CPU.Present && !r.Memory.Present {
		return r, fmt.Errorf("%w: %q has neither cpu nor memory", ErrRow, clip(line))
	}
	return r, nil
}

// parseAmounts takes both fields or, when both are empty, neither.
func parseAmounts(used, allocated []byte) (Amounts, error) {
	if len(used) == 0 && len(allocated) == 0 {
		return Amounts{}, nil
	}
	u, err := strconv.ParseFloat(string(used), 64)
	if err != nil || !(u >= 0 && u <= maxQuantity) {
		return Amounts{}, fmt.Errorf("%w: usage %q", ErrRow, clip(used))
	}
	a, err := strconv.ParseFloat(string(allocated), 64)
	if err != nil || !(a > 0 && a <= maxQuantity) {
		return Amounts{}, fmt.Errorf("%w: allocation %q", ErrRow, clip(allocated))
	}
	return Amounts{Used: u, Allocated: a, Present: true}, nil
}

// clip keeps what is quoted in an error short.
func clip(b []byte) []byte { return b[:min(len(b), 80)] }
