package host

import (
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

type kind uint8

const (
	kindStat kind = iota
	kindLoad
	kindMeminfo
	kindPSICPU
	kindPSIMemory
	kindPSIIO
	numKinds
)

var names = [numKinds]string{
	kindStat:      "stat",
	kindLoad:      "loadavg",
	kindMeminfo:   "meminfo",
	kindPSICPU:    "pressure/cpu",
	kindPSIMemory: "pressure/memory",
	kindPSIIO:     "pressure/io",
}

// retryTicks is how often a file that could not be opened is tried again.
const retryTicks = 30

// Reader reads /proc. It is for one goroutine.
type Reader struct {
	mono  func() time.Duration
	paths [numKinds]kernel.Path
	fds   [numKinds]int // -1: not open
	why   [numKinds]snapshot.Absence
	proc  string
	// busy is the rate of the machine or a cpuset, usage that of the cgroup with
	// a quota; busyOf is which.
	busy   busyRate
	usage  kernel.Rate
	busyOf domain
	// allBusy is of the whole machine.
	allRate busyRate
	allBusy snapshot.Value
	bounds  bounds
	// online and inSet count processors, as last read.
	online, inSet uint64
	// memTotal is the memory of the machine, as last read.
	memTotal uint64
	// reserve is what the kernel keeps free, in bytes.
	reserve uint64
	psi     [3]kernel.PressureRate
	tick    uint64
	reads   int
	buf     *kernel.Buffer
	statBuf unix.Stat_t
}

// NewReader reads below procRoot, with monotonic as the clock of rates.
func NewReader(procRoot string, monotonic func() time.Duration) *Reader {
	r := &Reader{mono: monotonic, proc: procRoot, reserve: reserve(procRoot), buf: kernel.MachineBuffer()}
	r.Bound(Bounds{})
	for k, name := range names {
		r.paths[k] = kernel.NewPath(filepath.Join(procRoot, name))
		r.fds[k] = -1
	}
	return r
}

// Close closes what is open.
func (r *Reader) Close() {
	for k := range r.fds {
		r.drop(kind(k), snapshot.NotRead)
	}
}

// OpenFiles is the number of descriptors kept open.
func (r *Reader) OpenFiles() int {
	n := 0
	for _, fd := range r.fds {
		if fd >= 0 {
			n++
		}
	}
	return n
}

// Reads is the number of files that the last Read read.
func (r *Reader) Reads() int { return r.reads }

func (r *Reader) drop(k kind, why snapshot.Absence) {
	if r.fds[k] >= 0 {
		unix.Close(r.fds[k])
	}
	r.fds[k], r.why[k] = -1, why
}

// Read fills h with the node as it is now; at is the time of the tick.
func (r *Reader) Read(at time.Time, h *snapshot.Host) {
	*h = snapshot.Host{At: at}
	r.tick++
	r.reads = 0
	if r.tick >= r.bounds.next {
		r.deriveBounds()
	}
	r.readStat(h)
	r.readLoad(h)
	r.readMeminfo(h)

	p := &h.Pressure
	psi, now := r.readPSI(kindPSICPU)
	p.CPUSome, _ = r.psi[0].Next(psi, now)
	p.CPUSomeMicros = kernel.Judged(psi.SomeMicros, p.CPUSome)
	psi, now = r.readPSI(kindPSIMemory)
	p.MemorySome, p.MemoryFull = r.psi[1].Next(psi, now)
	psi, now = r.readPSI(kindPSIIO)
	p.IOSome, p.IOFull = r.psi[2].Next(psi, now)
}

func (r *Reader) readStat(h *snapshot.Host) {
	began := r.mono()
	text, why := r.read(kindStat)
	at := kernel.Span{Began: began, Ended: r.mono()}
	s := stat{all: busyTime{why: why}, cpus: snapshot.Count{Why: why}, set: busyTime{why: why}}
	if why == snapshot.Present {
		s = parseStat(text, r.cpuset())
	}
	r.capacity(s, at, h)
}

// cpuset is the set of processors to add up, nil for all.
func (r *Reader) cpuset() *cpuSet {
	if r.bounds.setWhy != snapshot.Present {
		return nil
	}
	return &r.bounds.set
}

func (r *Reader) readLoad(h *snapshot.Host) {
	text, why := r.read(kindLoad)
	if why != snapshot.Present {
		absent := snapshot.Value{Why: why}
		h.Load1, h.Load5, h.Load15 = absent, absent, absent
		return
	}
	load := parseLoad(text)
	h.Load1, h.Load5, h.Load15 = load[0], load[1], load[2]
}

func (r *Reader) readMeminfo(h *snapshot.Host) {
	text, why := r.read(kindMeminfo)
	m := meminfo{total: snapshot.Count{Why: why}, available: snapshot.Count{Why: why}}
	if why == snapshot.Present {
		m = parseMeminfo(text, r.reserve)
	}
	h.MemTotalBytes, h.MemAvailableBytes = m.total, m.available
	r.memTotal = m.total.N
	setAside := m.setAside + r.reserve
	if m.available.OK() && m.total.OK() && m.available.N+setAside > m.total.N {
		setAside = m.setAside // the reserve was changed meanwhile
	}
	r.usableMemory(h, setAside, m.slab)
}

func (r *Reader) readPSI(k kind) (kernel.PSI, kernel.Span) {
	began := r.mono()
	text, why := r.read(k)
	at := kernel.Span{Began: began, Ended: r.mono()}
	if why != snapshot.Present {
		absent := snapshot.Count{Why: why}
		return kernel.PSI{SomeMicros: absent, FullMicros: absent}, at
	}
	return kernel.ParsePSI(text), at
}

// read is the text of a file, until the next read.
func (r *Reader) read(k kind) ([]byte, snapshot.Absence) {
	if r.fds[k] < 0 {
		if r.why[k] != snapshot.NotRead && r.tick%retryTicks != 0 {
			return nil, r.why[k]
		}
		fd, errno := kernel.Open(unix.AT_FDCWD, r.paths[k], unix.O_RDONLY)
		if errno != 0 {
			r.why[k] = kernel.WhyErrno(errno)
			return nil, r.why[k]
		}
		r.fds[k] = fd
	}
	r.reads++
	text, why := r.buf.Read(r.fds[k])
	if why != snapshot.Present && why != snapshot.Truncated {
		r.drop(k, why)
	}
	return text, why
}
