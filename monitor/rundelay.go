package monitor

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// How long the threads of regular containers wait for a CPU, where the kernel
// has no pressure of single cgroups (cgroup v1, or psi=0). Each thread is a file
// of its own, so this is read only while it can matter: while the host is busy,
// of regular containers, and of so many threads in a tick.
//
// It is a lower bound: threads that began or ended between two samples do not
// count, and a wait counts when it ends. Where others wait on purpose, such as
// more threads than CPUs in the container itself, it counts them like any.

const (
	// delayPressure is the share of time in which some task on the host waited
	// for a CPU, above which waiting is read; below it nobody waits much.
	delayPressure = 0.05
	// delayBusy is the share of the usable CPUs for the same on a kernel without
	// pressure.
	delayBusy = 0.8
	// delayLinger is for how many ticks it goes on after that.
	delayLinger = 5
	// delayThreads is how many threads are followed at a time, with 5.3 KiB of
	// kernel memory each, and delayContainers of how many containers, whose
	// threads have to be listed. With a stretched budget it is so much less.
	// Containers that do not fit take turns of delayTerm ticks, the first of
	// which only gives them something to compare with. One that has more threads
	// than that is never read.
	delayThreads    = 512
	delayContainers = 64
	delayTerm       = 5
)

// room is what a tick may still do.
type room struct{ threads, containers int }

// delayShare is how many of the descriptors that may be kept are for threads.
func delayShare(files int) int { return min(delayThreads, files/8) }

// delays follows the threads of regular containers.
type delays struct {
	tree   *cgroup.Tree
	mono   func() time.Duration
	limit  int
	reader *threadReader
	known  bool // this kernel tells of waiting

	busyUntil uint64 // tick
	followed  map[*cgroup.Container]*followed
	tids      []int32
	// from is the id at which the turn begins; rest is the first that did not
	// fit, "" when all did; termEnds is when it is its turn.
	from, rest string
	termEnds   uint64
}

// followed is a container whose threads are followed.
type followed struct {
	threads
	tick uint64 // of the last update
}

func newDelays(tree *cgroup.Tree, proc string, mono func() time.Duration, limit int) *delays {
	return &delays{tree: tree, mono: mono, limit: limit, reader: newThreadReader(proc, mono), followed: make(map[*cgroup.Container]*followed)}
}

// read fills in RunDelay of the containers out, which are those of rows; stretch
// is by how much the budget is exceeded.
func (d *delays) read(tick uint64, h *snapshot.Host, rows []row, out []snapshot.Container, stretch int) {
	if delayIsWorthIt(h) {
		d.busyUntil = tick + delayLinger
	}
	if tick > d.busyUntil {
		d.forgetAll()
		return
	}
	if d.rest != "" && tick >= d.termEnds {
		d.from = d.rest
		d.forgetAll()
	}
	if len(d.followed) == 0 {
		d.known = d.reader.hasSchedstat()
		d.termEnds = tick + delayTerm
	}
	d.rest = ""
	left := room{d.limit / max(1, stretch), max(1, delayContainers/max(1, stretch))}
	for _, second := range [...]bool{false, true} { // from d.from on, then up to it
		for i := range rows {
			if (rows[i].id < d.from) == second && d.isWanted(&rows[i], &out[i]) {
				out[i].CPU.RunDelay = d.one(tick, rows[i].onDisk, out[i].CPU.Cores, &left)
			}
		}
	}
	for c, f := range d.followed {
		if f.tick != tick {
			d.forget(c, f)
		}
	}
}

// delayIsWorthIt reports whether the host is so busy that somebody waits.
func delayIsWorthIt(h *snapshot.Host) bool {
	if h.Pressure.CPUSome.OK() {
		return h.Pressure.CPUSome.V > delayPressure
	}
	usable := h.Usable()
	return h.BusyCores.OK() && usable.OK() && h.BusyCores.V > delayBusy*usable.V
}

func (d *delays) isWanted(r *row, c *snapshot.Container) bool {
	return r.onDisk != nil && c.Parent == "" && c.Class() == snapshot.ClassRegular &&
		c.CPU.UsageNanos.Why != snapshot.Vanished && c.Pressure.CPUSome.Why == snapshot.NoFile
}

// one reads the threads of one container, while there is room for them.
func (d *delays) one(tick uint64, c *cgroup.Container, cores snapshot.Value, left *room) snapshot.Value {
	if !d.known {
		return snapshot.Value{Why: snapshot.NoFile}
	}
	f := d.followed[c]
	if left.threads <= 0 || left.containers <= 0 {
		d.waits(c)
		return snapshot.Value{}
	}
	left.containers--
	if f != nil && d.mono()-f.at < minDelay && d.mono() >= f.at {
		f.tick = tick
		left.threads -= len(f.list)
		return snapshot.Value{Why: snapshot.NoTime}
	}
	before := d.tree.Throttled(c)
	tids, why := d.tree.Threads(c, d.tids[:0])
	tids = sortTIDs(tids)
	d.tids = tids[:0]
	switch {
	case why == snapshot.Truncated || len(tids) > d.limit:
		return snapshot.Value{} // more than are ever followed
	case why != snapshot.Present:
		return snapshot.Value{Why: why}
	case len(tids) > left.threads:
		d.waits(c)
		return snapshot.Value{}
	}
	if f == nil {
		f = &followed{}
		d.followed[c] = f
	}
	left.threads -= len(tids)
	f.tick = tick
	at := d.mono()
	why = d.reader.update(&f.threads, tids)
	if why != snapshot.Present && why != snapshot.Impossible {
		d.reader.forget(&f.threads)
		return snapshot.Value{Why: why}
	}
	v := d.rate(f, c, at)
	f.at, f.throttled, f.sampled = at, before, true
	switch {
	case why == snapshot.Impossible:
		return snapshot.Value{Why: why}
	case len(f.list) == 0 && !(cores.OK() && cores.V < delayIdle):
		// Threads that use CPU are there, but not for this process to see.
		return snapshot.Value{Why: snapshot.Hidden}
	}
	return v
}

// delayIdle is how many cores a container without threads may have used since
// the sample before: those that ended did.
const delayIdle = 0.01

// minDelay is the shortest time over which waiting is taken.
const minDelay = minPoll

// rate compares the last two samples of f, the newer one of time at.
func (d *delays) rate(f *followed, c *cgroup.Container, at time.Duration) snapshot.Value {
	if !f.sampled {
		return snapshot.Value{Why: snapshot.FirstSample}
	}
	if at <= f.at {
		return snapshot.Value{Why: snapshot.NoTime}
	}
	// The throttled time is read before the threads the first time, and after
	// them the second time, so that no part of it is missing.
	now, was := d.tree.Throttled(c), f.throttled
	if now.Why == snapshot.NoQuota && was.Why == snapshot.NoQuota {
		return f.waited(at-f.at, 0)
	}
	switch {
	case !now.OK():
		return snapshot.Value{Why: now.Why}
	case !was.OK():
		return snapshot.Value{Why: snapshot.FirstSample} // it had no quota then
	case now.N < was.N:
		return snapshot.Value{Why: snapshot.Backwards}
	}
	return f.waited(at-f.at, now.N-was.N)
}

// waits notes that c is for the next turn.
func (d *delays) waits(c *cgroup.Container) {
	if d.rest == "" {
		d.rest = c.ID
	}
}

func (d *delays) forget(c *cgroup.Container, f *followed) {
	d.reader.forget(&f.threads)
	delete(d.followed, c)
}

func (d *delays) forgetAll() {
	for c, f := range d.followed {
		d.forget(c, f)
	}
	d.rest = ""
}

// openFiles is the number of descriptors kept open.
func (d *delays) openFiles() int { return d.reader.open }
