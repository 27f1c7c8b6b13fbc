package monitor

import (
	"math"

	"golang.org/x/sys/unix"
)

// reservedFiles are left to the rest of the daemon: sockets, logs, listings.
const reservedFiles = 256

// raiseFileLimit raises the soft limit of open files to the hard one, as far
// as that goes, and returns what of it may be used for kept descriptors.
func raiseFileLimit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	limit := int(min(l.Cur, math.MaxInt32))
	return max(limit-reservedFiles, limit/2)
}
