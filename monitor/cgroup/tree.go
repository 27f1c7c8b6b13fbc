package cgroup

import (
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Config is what a Tree is made of.
type Config struct {
	Layout Layout
	// MesosRoot is the agent's --cgroups_root, relative to each hierarchy.
	MesosRoot string
	// SlowEvery is the number of ticks between two readings of what is
	// expensive: memory.stat.
	SlowEvery int
	// CheckEvery is the number of ticks between two checks of what seldom
	// changes: whether there is a quota or anything nested, whether a file
	// that was missing is there.
	CheckEvery int
	// RescanEvery is the number of ticks between two listings that are made
	// even if nothing seems to have changed.
	RescanEvery int
	// MaxFiles is the number of descriptors that may be open; above KeepFiles
	// only those of the essential files are.
	MaxFiles, KeepFiles int
	// Monotonic is the clock of rates.
	Monotonic func() time.Duration
}

// Tree is the agent's part of the cgroup file system. It is for one goroutine.
type Tree struct {
	cfg   Config
	specs *[numKinds]spec
	// roots are the agent's root in each hierarchy; rootOf says which is a
	// controller's, -1 for none. The identity root is that of cpuacct, or of
	// memory where cpuacct is missing: containers are listed in it, and its
	// inodes identify them.
	roots    []root
	rootOf   [numControllers]int
	identity int

	top    map[string]*Container
	sorted []*Container
	// changed: sorted has to be made anew. generation counts how often it was.
	changed    bool
	generation uint64
	// listed: the last Refresh went well.
	listed bool

	tick  uint64
	scans uint64
	// lastScan is the tick of the last listing; dirty asks for another one.
	lastScan uint64
	dirty    bool
	// unwatched: the last tick read a container without a kept descriptor that
	// would tell of its removal.
	unwatched bool
	nextAt    uint64 // phase of the next container
	// births counts the containers that were found in this tick.
	births int

	// statEvery and pressureEvery are the cadences in ticks of memory.stat, and
	// of the pressure of memory and I/O.
	statEvery, pressureEvery int

	// now and mono are the time of the tick in both clocks.
	now  time.Time
	mono time.Duration

	keep [numKinds]bool
	// quotas counts containers with a quota (v1).
	quotas      int
	quotasMoved bool
	fds         int
	earlyLeft   int
	work        Work

	machine Machine

	dirs    *kernel.DirReader
	statBuf unix.Stat_t
	scratch kernel.Path
	buf     *kernel.Buffer
}

// Machine is what bounds the readings of every container.
type Machine struct {
	// Processors are online now or were at the sample before; 0: not known.
	Processors float64
	// MemBytes is all the memory there is; 0: not known.
	MemBytes uint64
}

// root is the agent's root in one hierarchy.
type root struct {
	path  kernel.Path
	fd    int // -1: not there
	state kernel.DirState
}

// Work is what one tick cost.
type Work struct {
	// Reads, Opens and Listings count system calls of each sort: files read,
	// files opened for it, directories listed.
	Reads, Opens, Listings int
	// EarlyStats counts readings of memory.stat before their turn, because
	// the usage had moved.
	EarlyStats int
	// NestedIgnored counts nested cgroups above the limit of one container.
	NestedIgnored int
}

// NewTree makes a Tree that has listed nothing yet.
func NewTree(cfg Config) *Tree {
	t := &Tree{
		cfg:   cfg,
		specs: &specsV1,
		top:   make(map[string]*Container),
		dirs:  kernel.NewDirReader(),
		// The longest file but for lists of threads is memory.stat: 1.5 KiB on v1,
		// up to 4 KiB on v2.
		buf: kernel.NewBuffer(16<<10, 1<<20),
	}
	t.Stretch(1)
	if cfg.Layout.Mode == V2 {
		t.specs = &specsV2
	}
	byPath := make(map[string]int)
	for i, at := range cfg.Layout.Mounts {
		t.rootOf[i] = -1
		if at == "" {
			continue
		}
		path := filepath.Join(at, cfg.MesosRoot)
		at, ok := byPath[path]
		if !ok {
			at = len(t.roots)
			byPath[path] = at
			t.roots = append(t.roots, root{path: kernel.NewPath(path), fd: -1})
		}
		t.rootOf[i] = at
	}
	t.identity = t.rootOf[CPUAcct]
	if t.identity < 0 {
		t.identity = t.rootOf[Memory]
	}
	for k := range t.keep {
		t.keep[k] = true
	}
	return t
}

// IdentityRoot is the directory in which containers are listed.
func (t *Tree) IdentityRoot() string { return t.roots[t.identity].path.String() }

// Containers are those on disk, sorted by id and inode, until the next Refresh;
// none when the last Refresh could not list them.
func (t *Tree) Containers() []*Container {
	if !t.listed {
		return nil
	}
	return t.sorted
}

// Generation changes when Containers does.
func (t *Tree) Generation() uint64 { return t.generation }

// Work is what was done since Refresh.
func (t *Tree) Work() Work { return t.work }

// OpenFiles is the number of descriptors kept open.
func (t *Tree) OpenFiles() int { return t.fds }

// Close closes every descriptor.
func (t *Tree) Close() {
	t.dropAll()
	t.sorted = nil
	for i := range t.roots {
		t.closeRoot(&t.roots[i])
	}
}

func (t *Tree) closeRoot(r *root) {
	if r.fd >= 0 {
		unix.Close(r.fd)
		t.fds--
	}
	r.fd, r.state = -1, kernel.DirState{}
}

// Refresh starts a tick at time now on that machine: it brings the list of
// containers up to date. The answer is Present, or why the tree cannot be listed;
// Containers is empty then.
func (t *Tree) Refresh(now time.Time, machine Machine) snapshot.Absence {
	t.tick++
	t.machine = machine
	t.now, t.mono = now, t.cfg.Monotonic()
	t.work, t.births = Work{}, 0
	why := t.refreshRoots()
	if why == snapshot.Present {
		why = t.refreshTop()
	}
	t.rebuild()
	t.refreshNested()
	t.rebuild()
	if t.quotasMoved {
		t.balance()
	}
	t.listed = why == snapshot.Present
	t.earlyLeft = earlyStats(len(t.sorted), t.statEvery)
	return why
}

// refreshRoots follows the agent's root through being made, removed and made
// again, in each hierarchy.
func (t *Tree) refreshRoots() snapshot.Absence {
	why := snapshot.Present
	for i := range t.roots {
		r := &t.roots[i]
		state, errno := kernel.StatDir(unix.AT_FDCWD, r.path, &t.statBuf)
		if errno == 0 && r.fd >= 0 && state.Same(r.state) {
			if i == t.identity && state != r.state {
				t.dirty = true
			}
			r.state = state
			continue
		}
		t.closeRoot(r)
		if i == t.identity {
			t.dropAll()
			t.dirty = true
		}
		if errno == 0 {
			r.fd, errno = kernel.Open(unix.AT_FDCWD, r.path, unix.O_PATH|unix.O_DIRECTORY)
		}
		if errno == 0 {
			t.fds++
			r.state = state
		} else if i == t.identity {
			why = kernel.WhyErrno(errno)
		}
	}
	return why
}

// isSlowTurn reports whether this tick is c's turn for what is read slowly.
func (t *Tree) isSlowTurn(c *Container) bool {
	return (t.tick+c.phase)%uint64(t.statEvery) == 0
}

// isPressureTurn is the same for the pressure of memory and I/O.
func (t *Tree) isPressureTurn(c *Container) bool {
	return (t.tick+c.phase)%uint64(t.pressureEvery) == 0
}

// maxPressureEvery: a rule on memory pressure has to see it within seconds.
const maxPressureEvery = 8

// Stretch has what is expensive read n times less often than configured from
// the next tick on.
func (t *Tree) Stretch(n int) {
	t.statEvery, t.pressureEvery = t.cfg.SlowEvery*n, min(n, maxPressureEvery)
}

// Cadence is how many ticks lie between two readings of memory.stat, and of the
// pressure of memory and I/O.
func (t *Tree) Cadence() (statEvery, pressureEvery int) { return t.statEvery, t.pressureEvery }

// isCheckTurn reports whether this tick is c's turn to be checked for what
// seldom changes. That is also when it was found, and when it has settled: the
// agent makes its directories one hierarchy after the other, and sets limits
// after that. For one that came with very many others, of which most go soon, the
// first check is left out, and the second one where no container has a quota.
func (t *Tree) isCheckTurn(c *Container) bool {
	switch t.tick - c.born {
	case 0:
		return !c.rush
	case settleTicks:
		return !c.rush || t.quotas > 0 || t.cfg.Layout.Mode == V2
	}
	return (t.tick+c.phase)%uint64(t.cfg.CheckEvery) == 0
}

// rebuild makes the sorted list anew after containers came or went.
func (t *Tree) rebuild() {
	if !t.changed {
		return
	}
	clear(t.sorted) // so that the collector can have those that are gone
	t.sorted = t.sorted[:0]
	for _, c := range t.top {
		t.collect(c)
	}
	slices.SortFunc(t.sorted, compareContainers)
	t.changed = false
	t.generation++
	t.balance()
}

func (t *Tree) collect(c *Container) {
	t.sorted = append(t.sorted, c)
	for _, child := range c.nested {
		t.collect(child)
	}
}
