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
	busy  kernel.Rate
	// busyOf is what busy is the rate of.
	busyOf domain
	bounds bounds
	// online and inSet count processors, as last read.
	online, inSet uint64
	// memTotal is the memory of the machine, as last read.
	memTotal uint64
	psi      [3]kernel.PressureRate
	tick     uint64
	reads    int
	buf      []byte
}

// NewReader reads below procRoot, with monotonic as the clock of rates.
func NewReader(procRoot string, monotonic func() time.Duration) *Reader {
	// /proc/stat has some 70 bytes for each processor, and what follows is not
	// needed.
	r := &Reader{mono: monotonic, buf: make([]byte, 64<<10)}
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
	p.CPUSomeMicros = psi.SomeMicros
	p.CPUSome, _ = r.psi[0].Next(psi, now)
	psi, now = r.readPSI(kindPSIMemory)
	p.MemorySome, p.MemoryFull = r.psi[1].Next(psi, now)
	psi, now = r.readPSI(kindPSIIO)
	p.IOSome, p.IOFull = r.psi[2].Next(psi, now)
}

func (r *Reader) readStat(h *snapshot.Host) {
	text, why := r.read(kindStat)
	now := r.mono()
	s := stat{busyNanos: snapshot.Count{Why: why}, cpus: snapshot.Count{Why: why}, setNanos: snapshot.Count{Why: why}}
	if why == snapshot.Present {
		s = parseStat(text, r.cpuset())
	}
	r.capacity(s, now, h)
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
	m := meminfo{snapshot.Count{Why: why}, snapshot.Count{Why: why}}
	if why == snapshot.Present {
		m = parseMeminfo(text)
	}
	h.MemTotalBytes, h.MemAvailableBytes = m.totalBytes, m.availableBytes
	r.memTotal = m.totalBytes.N
	r.usableMemory(h)
}

func (r *Reader) readPSI(k kind) (kernel.PSI, time.Duration) {
	text, why := r.read(k)
	if why != snapshot.Present {
		absent := snapshot.Count{Why: why}
		return kernel.PSI{SomeMicros: absent, FullMicros: absent}, 0
	}
	return kernel.ParsePSI(text), r.mono()
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
	text, why := kernel.Read(r.fds[k], r.buf)
	switch {
	case why == snapshot.Truncated && k == kindStat && len(text) > 0:
		// A full buffer: the lines that matter are at its start.
		return text, snapshot.Present
	case why != snapshot.Present && why != snapshot.Truncated:
		r.drop(k, why)
	}
	return text, why
}
