package host

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/meminfo, in KiB although it says kB (abridged):
//
//	MemTotal:       24684084 kB
//	MemFree:        22991240 kB
//	MemAvailable:   23701888 kB
//
// https://docs.kernel.org/filesystems/proc.html#meminfo

type meminfo struct{ totalBytes, availableBytes snapshot.Count }

var (
	keyMemTotal     = []byte("MemTotal:")
	keyMemAvailable = []byte("MemAvailable:")
	unitKiB         = []byte(" kB")
)

func parseMeminfo(file []byte) meminfo {
	missing := snapshot.Count{Why: snapshot.NoKey}
	if len(file) == 0 || file[len(file)-1] != '\n' {
		missing.Why = snapshot.Truncated
	}
	m := meminfo{missing, missing}
	for found := 0; found < 2; {
		end := bytes.IndexByte(file, '\n')
		if end < 0 {
			break
		}
		line := file[:end]
		file = file[end+1:]
		if value, ok := bytes.CutPrefix(line, keyMemTotal); ok {
			m.totalBytes = parseKiB(value)
			found++
		} else if value, ok := bytes.CutPrefix(line, keyMemAvailable); ok {
			m.availableBytes = parseKiB(value)
			found++
		}
	}
	return m
}

func parseKiB(value []byte) snapshot.Count {
	number, ok := bytes.CutSuffix(bytes.TrimLeft(value, " "), unitKiB)
	n, isNumber := decimal(number)
	if !ok || !isNumber {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(n << 10)
}
