package kernel

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// Pressure stall information: /proc/pressure/{cpu,memory,io} and, on cgroup
// v2, {cpu,memory,io}.pressure of a cgroup:
//
//	some avg10=0.06 avg60=0.21 avg300=0.99 total=8537362
//	full avg10=0.00 avg60=0.13 avg300=0.96 total=8183134
//
// total is the stall time in µs. Kernels before 5.13 have no full line for
// cpu; a host's full line of cpu is zero by definition.
//
// https://docs.kernel.org/accounting/psi.html

// PSI is the stall time of one resource since boot or since the cgroup was
// made, in µs.
type PSI struct {
	// SomeMicros: at least one task waited. FullMicros: all that could run did.
	SomeMicros, FullMicros snapshot.Count
}

var (
	psiSome  = []byte("some ")
	psiFull  = []byte("full ")
	psiTotal = []byte(" total=")
)

// ParsePSI reads the totals of a pressure file. Lines it does not know are
// ignored, so that a new kind of line does not blind the daemon.
func ParsePSI(file []byte) PSI {
	missing := snapshot.NoKey
	if len(file) == 0 || file[len(file)-1] != '\n' {
		missing = snapshot.Truncated
	}
	p := PSI{SomeMicros: snapshot.Count{Why: missing}, FullMicros: snapshot.Count{Why: missing}}
	for len(file) > 0 {
		end := bytes.IndexByte(file, '\n')
		if end < 0 {
			break
		}
		line := file[:end]
		file = file[end+1:]
		switch {
		case bytes.HasPrefix(line, psiSome):
			p.SomeMicros = psiLineTotal(line)
		case bytes.HasPrefix(line, psiFull):
			p.FullMicros = psiLineTotal(line)
		}
	}
	return p
}

// psiLineTotal is the last field of a pressure line.
func psiLineTotal(line []byte) snapshot.Count {
	i := bytes.LastIndex(line, psiTotal)
	if i < 0 {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	n, rest, why := cutNumber(line[i+len(psiTotal):])
	if why != snapshot.Present || len(rest) != 0 {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(n)
}
