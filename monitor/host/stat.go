package host

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/stat, times in 1/100 s (USER_HZ):
//
//	cpu  12108 17567 11538 1223711 657 0 182 33 0 0
//	cpu0 5883 7750 5556 613349 88 0 24 13 0 0
//	cpu1 6225 9817 5982 610362 569 0 157 19 0 0
//	intr 1120284 0 0 ...
//
// Columns: user nice system idle iowait irq softirq steal guest guest_nice;
// guest time is part of user and nice. Only online processors have a line.
//
// https://docs.kernel.org/filesystems/proc.html (1.8)

// userHZ is what the kernel scales times to for user space, whatever its own
// HZ is (include/asm-generic/param.h); it is 100 on every architecture that
// Go's linux port knows.
const userHZ = 100

// stat is what is used of /proc/stat.
type stat struct {
	// busyNanos is the time that processors were not idle: user, nice, system,
	// irq, softirq and steal. Time stolen by the hypervisor was asked for by
	// this node, so it is not free; waiting for I/O leaves a processor free.
	busyNanos snapshot.Count
	cpus      snapshot.Count

	// Of the processors in a set that are online: their busy time, how many
	// there are, and a hash of which. The line of all processors also holds
	// those that went offline; here one that comes or goes takes its whole
	// time along.
	setNanos snapshot.Count
	setCPUs  uint64
	setHash  uint64
}

const (
	columnIdle   = 3
	columnIOWait = 4
	columnSteal  = 7
)

// parseStat reads the lines of processors; those in set, unless it is nil, are
// added up too.
func parseStat(file []byte, set *cpuSet) stat {
	absent := snapshot.Count{Why: snapshot.NoKey}
	s := stat{busyNanos: absent, cpus: absent, setNanos: absent}
	online := uint64(0)
	for {
		end := bytes.IndexByte(file, '\n')
		if end < 0 {
			// The lines of processors come first, so the file was cut among them.
			s.cpus.Why = snapshot.Truncated
			if s.busyNanos.Why == snapshot.NoKey {
				s.busyNanos.Why = snapshot.Truncated
			}
			s.setNanos = snapshot.Count{Why: snapshot.Truncated}
			return s
		}
		line := file[:end]
		file = file[end+1:]
		if !bytes.HasPrefix(line, []byte("cpu")) {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("cpu ")); ok {
			s.busyNanos = parseBusy(rest)
		} else {
			online++
			if set != nil {
				s.addToSet(line[len("cpu"):], set)
			}
		}
		if len(file) == 0 {
			break
		}
	}
	if online > 0 {
		s.cpus = snapshot.CountOf(online)
	}
	return s
}

// addToSet adds up the line of one processor, without its "cpu".
func (s *stat) addToSet(line []byte, set *cpuSet) {
	number, columns, _ := bytes.Cut(line, []byte(" "))
	cpu, ok := decimal(number)
	if !ok {
		s.setNanos = snapshot.Count{Why: snapshot.Malformed}
		return
	}
	if !set.has(cpu) {
		return
	}
	busy := parseBusy(columns)
	switch {
	case s.setCPUs == 0 && s.setNanos.Why == snapshot.NoKey:
		s.setNanos = busy
	case !s.setNanos.OK():
	case !busy.OK():
		s.setNanos = busy
	default:
		s.setNanos.N += busy.N
	}
	s.setCPUs++
	s.setHash = s.setHash*31 + cpu + 1
}

// parseBusy adds up the busy columns of the line of all processors.
func parseBusy(columns []byte) snapshot.Count {
	const nanosPerTick = 1e9 / userHZ
	ticks, column := uint64(0), 0
	for len(columns) > 0 && column <= columnSteal {
		if columns[0] == ' ' {
			columns = columns[1:]
			continue
		}
		field, rest, _ := bytes.Cut(columns, []byte(" "))
		columns = rest
		n, ok := decimal(field)
		if !ok {
			return snapshot.Count{Why: snapshot.Malformed}
		}
		if column != columnIdle && column != columnIOWait {
			ticks += n
		}
		column++
	}
	if column <= columnSteal {
		return snapshot.Count{Why: snapshot.Truncated}
	}
	return snapshot.CountOf(ticks * nanosPerTick)
}

// decimal is the number b, if it is one that leaves room to be added up.
func decimal(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
