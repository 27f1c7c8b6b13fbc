package host

import (
	"bytes"
	"time"

	"github.com/estimatord/estimatord/internal/kernel"
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

// nanosPerTick: the kernel scales times to 1/100 s for user space, whatever its
// own HZ is (include/asm-generic/param.h), on every architecture that Go's linux
// port knows.
const nanosPerTick = 1e9 / 100

// numBusy is how many columns are busy time: user, nice, system, irq, softirq
// and steal. Time stolen by the hypervisor was asked for by this node, so it is
// not free; waiting for I/O leaves a processor free.
const numBusy = 6

const (
	columnIdle   = 3
	columnIOWait = 4
	columnSteal  = 7
)

// busyTime is the time in the busy columns of one or more lines.
type busyTime struct {
	ticks [numBusy]uint64
	why   snapshot.Absence
}

// stat is what is used of /proc/stat.
type stat struct {
	// all is of the whole machine, those processors included that went offline.
	all  busyTime
	cpus snapshot.Count

	// Of the processors in a set that are online: their busy time, how many
	// there are, and a hash of which, since one that comes or goes takes its whole
	// time along.
	set     busyTime
	setCPUs uint64
	setHash uint64
}

// parseStat reads the lines of processors; those in set, unless it is nil, are
// added up too.
func parseStat(file []byte, set *cpuSet) stat {
	s := stat{all: busyTime{why: snapshot.NoKey}, cpus: snapshot.Count{Why: snapshot.NoKey}, set: busyTime{why: snapshot.NoKey}}
	online := uint64(0)
	for {
		line, rest, whole := bytes.Cut(file, []byte("\n"))
		if !whole {
			// The lines of processors come first, so the file was cut among them.
			s.cpus.Why = snapshot.Truncated
			if s.all.why == snapshot.NoKey {
				s.all.why = snapshot.Truncated
			}
			s.set = busyTime{why: snapshot.Truncated}
			return s
		}
		columns, isCPU := bytes.CutPrefix(line, []byte("cpu"))
		if !isCPU {
			break
		}
		if columns, isAll := bytes.CutPrefix(columns, []byte(" ")); isAll {
			s.all = parseBusy(columns)
		} else {
			online++
			if set != nil {
				s.addToSet(columns, set)
			}
		}
		if file = rest; len(file) == 0 {
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
		s.set.why = snapshot.Malformed
		return
	}
	if !set.has(cpu) {
		return
	}
	busy := parseBusy(columns)
	if s.setCPUs == 0 && s.set.why == snapshot.NoKey || busy.why != snapshot.Present {
		s.set.why = busy.why
	}
	for i, n := range busy.ticks {
		s.set.ticks[i] += n
	}
	s.setCPUs++
	s.setHash = s.setHash*31 + cpu + 1
}

// parseBusy reads the busy columns of a line.
func parseBusy(columns []byte) (b busyTime) {
	i := 0
	for column := 0; column <= columnSteal; column++ {
		columns = bytes.TrimLeft(columns, " ")
		if len(columns) == 0 {
			return busyTime{why: snapshot.Truncated}
		}
		field, rest, _ := bytes.Cut(columns, []byte(" "))
		columns = rest
		n, ok := decimal(field)
		if !ok {
			return busyTime{why: snapshot.Malformed}
		}
		if column != columnIdle && column != columnIOWait {
			b.ticks[i] = n
			i++
		}
	}
	b.why = snapshot.Present
	return b
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

// busyRate turns busy time into busy processors.
type busyRate struct {
	columns [numBusy]struct {
		kernel.Rate
		fell bool
	}
}

// next is how many of so many processors were busy since the reading before.
//
// Each column is judged by itself. A column that falls again and again, as steal
// did on some kernels for days, is left out from the second time on: the others
// are not to be blind for it.
func (b *busyRate) next(t busyTime, at kernel.Span, processors float64) snapshot.Value {
	if t.why != snapshot.Present {
		return snapshot.Value{Why: t.why}
	}
	limit := kernel.CPULimit(processors)
	limit.PerNano /= nanosPerTick
	sum, over, why := 0.0, time.Duration(0), snapshot.Present
	for i := range b.columns {
		c := &b.columns[i]
		v, d := c.Over(snapshot.CountOf(t.ticks[i]), at, limit, kernel.MinInterval)
		switch {
		case v.OK():
			sum, over = sum+v.V*nanosPerTick, max(over, d)
		case v.Why == snapshot.Backwards && c.fell:
			continue
		case why == snapshot.Present:
			why = v.Why
		}
		c.fell = v.Why == snapshot.Backwards
	}
	switch {
	case why != snapshot.Present:
		return snapshot.Value{Why: why}
	case over > 0 && processors > 0 && !kernel.CPULimit(processors).Allows(sum*float64(over), over):
		return snapshot.Value{Why: snapshot.Impossible}
	}
	return snapshot.ValueOf(sum)
}
