package scheduler

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrRecord is the class of what is wrong with a stream of records.
var ErrRecord = errors.New("not a stream of records")

// mostRecord bounds a record, in bytes. The offers of 10,000 agents at once
// are about 10 MB.
const mostRecord = 64 << 20

// readRecord reads one record of RecordIO: its length in decimal, a line break,
// and so many bytes. The error is io.EOF where a stream may end.
func readRecord(r *bufio.Reader) ([]byte, error) {
	var digits []byte
	for {
		c, err := r.ReadByte()
		switch {
		case err == io.EOF && len(digits) > 0:
			return nil, fmt.Errorf("%w: it ends in a length", ErrRecord)
		case err != nil:
			return nil, err
		}
		if c == '\n' {
			break
		}
		if digits = append(digits, c); c < '0' || c > '9' || len(digits) > 9 {
			return nil, fmt.Errorf("%w: %q is no length", ErrRecord, digits)
		}
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil || n > mostRecord {
		return nil, fmt.Errorf("%w: a record of %q bytes (at most %d)", ErrRecord, digits, mostRecord)
	}
	// Memory grows with what arrives, not with what is announced.
	record, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(record) < n {
		err = fmt.Errorf("%w: it ends after %d of %d bytes", ErrRecord, len(record), n)
	}
	return record, err
}
