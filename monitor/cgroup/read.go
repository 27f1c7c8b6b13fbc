package cgroup

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// settleTicks is how long a container is young: what is not there yet is looked
// for at each tick.
const settleTicks = 3

// interrupted is a time that a read of some µs takes only when the scheduler
// stopped us in it: 0.1 % of a tick of one second.
const interrupted = time.Millisecond

// A usage that moved by this share and this much makes memory.stat worth
// reading before its turn: what is unreclaimable is the difference of the two.
const (
	earlyShare = 8       // 1/8 of the usage
	earlyBytes = 8 << 20 // the kernel charges in batches of 256 KiB per CPU
)

// Read reads c into out, which keeps nothing of what it held.
func (t *Tree) Read(c *Container, out *snapshot.Container) {
	*out = snapshot.Container{Key: c.Key, Parent: c.Parent, OnDisk: true, FirstSeen: c.FirstSeen}
	at := t.readCPU(c, &out.CPU)
	out.At = t.now.Add(at - t.mono)
	slow := t.isSlowTurn(c) || !c.slow.everFilled
	if c.rush && !c.slow.everFilled {
		// It may be gone by its turn. Until then its memory is read early if it
		// uses much (readMemory), and is absent otherwise.
		slow = t.isSlowTurn(c) && t.tick-c.born >= settleTicks
	}
	if t.isCheckTurn(c) {
		t.readQuota(c)
	}
	out.CPU.QuotaCores = c.slow.quotaCores
	if t.cfg.Layout.Mode != V2 {
		t.readThrottle(c, &out.CPU)
	}
	t.judgeThrottle(c, &out.CPU, at)
	t.readMemory(c, slow, &out.Memory)
	t.readPids(c, slow, &out.Pids)
	t.readPressure(c, slow, &out.Pressure)
	c.slow.everFilled = c.slow.everFilled || slow
	if out.CPU.UsageNanos.Why == snapshot.Vanished {
		// Also what is carried from earlier ticks.
		out.Unreadable(snapshot.Vanished)
	}
}

func (t *Tree) readCPU(c *Container, out *snapshot.CPU) time.Duration {
	// The rate is per time between the reads themselves, so that the clock is
	// read around them; one that was interrupted is made once more.
	began := t.cfg.Monotonic()
	text, why := t.read(c, kindCPU)
	ended := t.cfg.Monotonic()
	if ended-began > interrupted {
		began = ended
		text, why = t.read(c, kindCPU)
		ended = t.cfg.Monotonic()
	}
	switch {
	case why != snapshot.Present:
		out.UsageNanos.Why = why
		out.ThrottledNanos.Why = why
	case t.cfg.Layout.Mode == V2:
		parseCPUV2(text, out)
	default:
		out.UsageNanos = kernel.ParseNumber(text)
	}
	at := kernel.Span{Began: began, Ended: ended}
	limit := kernel.QuotaLimit(c.slow.quotaCores, t.machine.Processors)
	if c.slow.quotaCores.OK() && c.cpu.Exceeds(out.UsageNanos, at, limit) {
		// Its quota may have been raised since it was read.
		t.readQuota(c)
		limit.PerNano = max(limit.PerNano, kernel.QuotaLimit(c.slow.quotaCores, t.machine.Processors).PerNano)
	}
	out.Cores = c.cpu.Next(out.UsageNanos, at, limit)
	out.UsageNanos = kernel.Judged(out.UsageNanos, out.Cores)
	return ended
}

// throttleLate: the time for which a quota stopped a cgroup is added when it
// goes on, after one period of at most a second or more of them.
const throttleLate = time.Second

// judgeThrottle judges the time for which its quota stopped c, which is added up
// over processors.
func (t *Tree) judgeThrottle(c *Container, out *snapshot.CPU, at time.Duration) {
	limit := kernel.Limit{PerNano: t.machine.Processors, Late: throttleLate}
	out.ThrottledNanos = kernel.Judged(out.ThrottledNanos, c.throttled.Next(out.ThrottledNanos, kernel.At(at), limit))
}

func (t *Tree) readMemory(c *Container, slow bool, out *snapshot.Memory) {
	text, why := t.read(c, kindMemUsage)
	if why == snapshot.Present {
		out.UsageBytes = kernel.AtMost(kernel.ParseNumber(text), t.machine.MemBytes)
	} else {
		out.UsageBytes.Why = why
	}
	if moved(out.UsageBytes, c.slow.usageAt) {
		out.UsageBytes = kernel.AtMost(out.UsageBytes, t.memoryLimit(c))
		if !slow && t.earlyLeft > 0 && out.UsageBytes.OK() {
			t.earlyLeft--
			t.work.EarlyStats++
			slow = true
		}
	}
	if slow {
		text, why := t.read(c, kindMemStat)
		if why == snapshot.Present {
			m := kernel.ParseMemoryStat(text, t.cfg.Layout.Mode == V2)
			c.slow.memory.AnonBytes = kernel.AtMost(m.AnonBytes, t.machine.MemBytes)
			c.slow.memory.ReclaimableBytes = kernel.AtMost(m.ReclaimableBytes, t.machine.MemBytes)
		} else {
			absent := snapshot.Count{Why: why}
			c.slow.memory = kernel.MemoryStat{AnonBytes: absent, ReclaimableBytes: absent}
		}
		c.slow.usageAt = out.UsageBytes.N
		c.slow.statAt = t.now.Add(t.cfg.Monotonic() - t.mono)
	}
	out.AnonBytes, out.ReclaimableBytes = c.slow.memory.AnonBytes, c.slow.memory.ReclaimableBytes
	out.StatAt = c.slow.statAt
	out.UnreclaimableBytes = kernel.Unreclaimable(out.UsageBytes, out.ReclaimableBytes)
}

// memoryLimit is c's own limit in bytes, 0 for none or one that cannot be told.
// It is read only when the usage jumps: what stays below it need not be compared.
func (t *Tree) memoryLimit(c *Container) uint64 {
	name := limitV1
	if t.cfg.Layout.Mode == V2 {
		name = limitV2
	}
	text, why := t.readOnce(c, spec{name, Memory})
	if why != snapshot.Present {
		return 0
	}
	return kernel.ParseNumber(text).N // 0 for "max"
}

// moved reports whether the usage is far from what it was at memory.stat.
func moved(usage snapshot.Count, then uint64) bool {
	if !usage.OK() {
		return false
	}
	d := max(usage.N, then) - min(usage.N, then)
	return d > earlyBytes && d > max(usage.N, then)/earlyShare
}

// readPids reads the number of tasks, which is shown and recorded, but decides
// nothing: at each tick it would be a sixth of what a tick costs. Where its
// descriptor cannot be kept it is read at the check turn only, since opening it
// costs ten times as much as reading it.
func (t *Tree) readPids(c *Container, slow bool, out *snapshot.Count) {
	turn := t.isCheckTurn(c) && t.tick-c.born != settleTicks
	if t.keep[kindPids] {
		turn = slow || turn && !c.slow.pids.OK()
	}
	if turn {
		text, why := t.read(c, kindPids)
		if why == snapshot.Present {
			if c.slow.pids = kernel.ParseNumber(text); c.slow.pids.N > kernel.MaxTID {
				c.slow.pids = snapshot.Count{Why: snapshot.Impossible}
			}
		} else {
			c.slow.pids = snapshot.Count{Why: why}
		}
	}
	*out = c.slow.pids
}

func (t *Tree) readPressure(c *Container, slow bool, out *snapshot.Pressure) {
	psi, at := t.readPSI(c, kindPSICPU)
	out.CPUSome, _ = c.pressure[0].Next(psi, at)
	out.CPUSomeMicros = kernel.Judged(psi.SomeMicros, out.CPUSome)
	turn := t.isPressureTurn(c) || slow
	if t.keep[kindPSIMemory] && turn || slow {
		psi, at = t.readPSI(c, kindPSIMemory)
		c.slow.memSome, c.slow.memFull = c.pressure[1].Next(psi, at)
	}
	if t.keep[kindPSIIO] && turn || slow {
		psi, at = t.readPSI(c, kindPSIIO)
		c.slow.ioSome, c.slow.ioFull = c.pressure[2].Next(psi, at)
	}
	out.MemorySome, out.MemoryFull = c.slow.memSome, c.slow.memFull
	out.IOSome, out.IOFull = c.slow.ioSome, c.slow.ioFull
}

func (t *Tree) readPSI(c *Container, k kind) (kernel.PSI, kernel.Span) {
	began := t.cfg.Monotonic()
	text, why := t.read(c, k)
	at := kernel.Span{Began: began, Ended: t.cfg.Monotonic()}
	if why != snapshot.Present {
		absent := snapshot.Count{Why: why}
		return kernel.PSI{SomeMicros: absent, FullMicros: absent}, at
	}
	return kernel.ParsePSI(text), at
}

// read is the text of one of c's files, until the next read.
func (t *Tree) read(c *Container, k kind) ([]byte, snapshot.Absence) {
	s, f := &t.specs[k], &c.files[k]
	if s.name == nil || t.rootOf[s.controller] < 0 {
		return nil, snapshot.NoFile
	}
	if f.fd < 0 {
		if !t.keep[k] || t.fds >= t.cfg.MaxFiles {
			t.unwatched = t.unwatched || k == kindCPU
			text, why := t.readOnce(c, *s)
			return text, t.settle(c, k, why)
		}
		if f.why != snapshot.NotRead && t.tick-c.born > settleTicks && !t.isCheckTurn(c) {
			return nil, f.why
		}
		fd, errno := kernel.Open(t.roots[t.rootOf[s.controller]].fd, t.pathOf(c, s.name), unix.O_RDONLY)
		t.work.Opens++
		if errno != 0 {
			f.why = t.settle(c, k, kernel.WhyErrno(errno))
			return nil, f.why
		}
		t.keepFile(f, fd)
	}
	t.work.Reads++
	text, why := t.buf.Read(int(f.fd))
	if why == snapshot.Vanished {
		t.closeFile(f, why)
		t.lost(c, k)
	}
	return text, why
}

// lost asks for a listing after a file that was there is not. Most may go while
// their cgroup stays: the agent removes one hierarchy after the other, a
// controller or pressure can be turned off. The first of the identity's
// directory goes with the container.
func (t *Tree) lost(c *Container, k kind) {
	t.dirty = true
	if c.up != nil {
		c.up.nestedDirty = true
	}
	first := kindCPU
	if t.rootOf[CPUAcct] != t.identity {
		first = kindMemUsage
	}
	c.dead = c.dead || k == first
}

// settle turns "no such file" into Vanished where there was one before.
func (t *Tree) settle(c *Container, k kind, why snapshot.Absence) snapshot.Absence {
	f := &c.files[k]
	switch {
	case why == snapshot.Present:
		f.wasOpen = true
	case why == snapshot.NoFile && f.wasOpen:
		t.lost(c, k)
		return snapshot.Vanished
	}
	return why
}

// readOnce opens, reads and closes.
func (t *Tree) readOnce(c *Container, s spec) ([]byte, snapshot.Absence) {
	if t.rootOf[s.controller] < 0 {
		return nil, snapshot.NoFile
	}
	t.work.Opens++
	t.work.Reads++
	return t.buf.ReadOnce(t.roots[t.rootOf[s.controller]].fd, t.pathOf(c, s.name))
}

// openFrom opens those files of c that are in its identity directory dir, so
// that they surely belong to the inode that identifies it.
func (t *Tree) openFrom(c *Container, dir int) {
	for k := range numKinds {
		s := &t.specs[k]
		if s.name == nil || k == kindThrottle || t.rootOf[s.controller] != t.identity {
			continue
		}
		if !t.keep[k] || t.fds >= t.cfg.MaxFiles {
			continue
		}
		fd, errno := kernel.Open(dir, s.name, unix.O_RDONLY)
		t.work.Opens++
		if errno != 0 {
			c.files[k].why = kernel.WhyErrno(errno)
			continue
		}
		t.keepFile(&c.files[k], fd)
	}
}

func (t *Tree) keepFile(f *file, fd int) {
	*f = file{fd: int32(fd), why: snapshot.Present, wasOpen: true}
	t.fds++
}
