package host

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A list of processors, as in cpuset.cpus.effective (v2) and
// cpuset.effective_cpus (v1); an empty line for none:
//
//	0-3,7,12-15
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#cpuset-interface-files

// maxCPUs is the largest CONFIG_NR_CPUS that a kernel can have (x86_64).
const maxCPUs = 8192

// cpuSet is a set of processors by number.
type cpuSet struct {
	bits [maxCPUs / 64]uint64
	n    int
}

func (s *cpuSet) has(cpu uint64) bool {
	return cpu < maxCPUs && s.bits[cpu/64]&(1<<(cpu%64)) != 0
}

func (s *cpuSet) add(cpu uint64) {
	if !s.has(cpu) {
		s.bits[cpu/64] |= 1 << (cpu % 64)
		s.n++
	}
}

// parse overwrites s with the list in file; it is empty unless the answer is
// Present.
func (s *cpuSet) parse(file []byte) snapshot.Absence {
	why := s.parseLine(file)
	if why != snapshot.Present {
		*s = cpuSet{}
	}
	return why
}

func (s *cpuSet) parseLine(file []byte) snapshot.Absence {
	*s = cpuSet{}
	line, ok := bytes.CutSuffix(file, []byte("\n"))
	if !ok {
		return snapshot.Truncated
	}
	for len(line) > 0 {
		item, rest, more := bytes.Cut(line, []byte(","))
		if more && len(rest) == 0 {
			return snapshot.Malformed
		}
		line = rest
		from, to, isRange := bytes.Cut(item, []byte("-"))
		first, ok := decimal(from)
		last := first
		if ok && isRange {
			last, ok = decimal(to)
		}
		if !ok || first > last || last >= maxCPUs {
			return snapshot.Malformed
		}
		for cpu := first; cpu <= last; cpu++ {
			s.add(cpu)
		}
	}
	return snapshot.Present
}
