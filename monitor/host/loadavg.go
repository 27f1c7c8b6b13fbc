package host

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/loadavg:
//
//	0.27 0.28 0.26 5/100 23156
//
// https://docs.kernel.org/filesystems/proc.html (1.8)

// parseLoad is the three averages at the start of /proc/loadavg.
func parseLoad(file []byte) (load [3]snapshot.Value) {
	for i := range load {
		field, rest, ok := bytes.Cut(file, []byte(" "))
		if !ok {
			for j := i; j < len(load); j++ {
				load[j].Why = snapshot.Truncated
			}
			return load
		}
		load[i] = fixed(field)
		file = rest
	}
	return load
}

// fixed is a number with two decimals, as the kernel prints its loads.
func fixed(field []byte) snapshot.Value {
	whole, cents, ok := bytes.Cut(field, []byte("."))
	n, okWhole := decimal(whole)
	c, okCents := decimal(cents)
	if !ok || !okWhole || !okCents || len(cents) != 2 {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	if n > kernel.MaxTID { // there are no more tasks than that
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return snapshot.ValueOf(float64(n*100+c) / 100)
}
