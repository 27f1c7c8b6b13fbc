package kernel

import (
	"bytes"
	"math"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A file of one number, such as cpuacct.usage, memory.usage_in_bytes,
// memory.current or pids.current:
//
//	413947213
//
// https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
// https://docs.kernel.org/admin-guide/cgroup-v2.html

// ParseNumber is the one number that file holds.
func ParseNumber(file []byte) snapshot.Count {
	n, rest, why := cutNumber(file)
	switch {
	case why != snapshot.Present:
		return snapshot.Count{Why: why}
	case len(rest) == 0:
		return snapshot.Count{Why: snapshot.Truncated}
	case len(rest) != 1 || rest[0] != '\n':
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(n)
}

// MicrosToNanos is c in ns, where it is in µs.
func MicrosToNanos(c snapshot.Count) snapshot.Count {
	switch {
	case !c.OK():
		return c
	case c.N > math.MaxUint64/1000:
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(c.N * 1000)
}

// cutNumber takes the decimal digits off the start of b.
func cutNumber(b []byte) (n uint64, rest []byte, why snapshot.Absence) {
	i := 0
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		if n > math.MaxUint64/10 {
			return 0, nil, snapshot.Malformed
		}
		n *= 10
		if n > math.MaxUint64-uint64(d) {
			return 0, nil, snapshot.Malformed
		}
		n += uint64(d)
	}
	switch {
	case i > 0:
		return n, b[i:], snapshot.Present
	case len(b) == 0:
		return 0, nil, snapshot.Truncated
	}
	return 0, nil, snapshot.Malformed
}

// wholeNumber is the number that b is, all of it.
func wholeNumber(b []byte) (uint64, bool) {
	n, rest, why := cutNumber(b)
	return n, why == snapshot.Present && len(rest) == 0
}

// oneLine is the only line of file, without its end.
func oneLine(file []byte) ([]byte, snapshot.Absence) {
	line, ok := bytes.CutSuffix(file, []byte("\n"))
	switch {
	case !ok:
		return nil, snapshot.Truncated
	case bytes.IndexByte(line, '\n') >= 0:
		return nil, snapshot.Malformed
	}
	return line, snapshot.Present
}

// cutField is line up to a space, and what follows it.
func cutField(line []byte) (field, rest []byte, ok bool) { return bytes.Cut(line, []byte(" ")) }
