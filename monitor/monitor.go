package monitor

import (
	"math"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/host"
)

// Classes of errors of New, for errors.Is.
var (
	// ErrNoRoot: the cgroup root does not exist.
	ErrNoRoot = cgroup.ErrNoRoot
	// ErrDenied: the cgroup root may not be read.
	ErrDenied = cgroup.ErrDenied
	// ErrNotCgroup: the cgroup root is not where cgroup file systems are mounted.
	ErrNotCgroup = cgroup.ErrNotCgroup
	// ErrNoController: no controller there tells what containers use.
	ErrNoController = cgroup.ErrNoController
)

// Monitor samples a node. It is for one goroutine.
type Monitor struct {
	cfg    Config
	layout cgroup.Layout
	tree   *cgroup.Tree
	host   *host.Reader
	files  int

	seq  uint64
	join join
	// Two snapshots take turns, so that the last one stays whole while the
	// next one is made.
	turns [2]snapshot.Snapshot
	stats Stats
	// budget decides how often what is expensive is read.
	budget budget
	delays *delays
	// fast is the fast sampler, nil when there is none.
	fast *FastSampler
	// online and memBytes are the machine's, as last read; 0: not known.
	online   float64
	memBytes uint64
}

// New finds out how cgroups are mounted and opens what is always there. That
// the agent's root does not exist (yet) is not an error: the snapshot's TreeWhy
// says so until it does.
func New(cfg Config) (*Monitor, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	layout, err := cgroup.Detect(cfg.CgroupRoot, cfg.ProcRoot)
	if err != nil {
		return nil, err
	}
	files := fileLimit()
	kept := files - fastShare(files) - delayShare(files)
	m := &Monitor{cfg: cfg, layout: layout, files: files, join: newJoin(), budget: newBudget(cfg.CostBudget)}
	m.tree = cgroup.NewTree(cgroup.Config{
		Layout:      layout,
		MesosRoot:   cfg.MesosRoot,
		SlowEvery:   cfg.StatEvery,
		CheckEvery:  cfg.CheckEvery,
		RescanEvery: cfg.RescanEvery,
		MaxFiles:    kept,
		KeepFiles:   min(cfg.KeepFiles, kept),
		Monotonic:   cfg.Monotonic,
	})
	m.delays = newDelays(m.tree, cfg.ProcRoot, cfg.Monotonic, delayShare(files))
	m.host = host.NewReader(cfg.ProcRoot, cfg.Monotonic)
	m.host.Bound(bounds(layout, cfg))
	return m, nil
}

// Sample makes one tick: it reads everything and joins it with the agent's last
// report, which may be nil. now is the tick's wall-clock time; rates do not use
// it. The snapshot is valid until the call after next.
func (m *Monitor) Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot {
	// A goroutine may go on on another thread, whose time is another.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spent := m.cfg.ThreadCPU()
	began := m.cfg.Monotonic()
	m.seq++
	s := &m.turns[m.seq%2]
	s.Seq, s.At, s.Uptime, s.Usage = m.seq, now, began, usage
	s.Contention = snapshot.Contention{}
	if m.fast != nil {
		s.Contention = m.fast.lastAt(now)
	}
	m.stats = Stats{}

	m.host.Read(now, &s.Host)
	machine := m.machine(&s.Host)
	s.TreeWhy = m.tree.Refresh(now, machine)
	rows := m.join.rows(now, m.tree, usage)
	if cap(s.Containers) < len(rows) {
		// A quarter of room, so that a growing node does not allocate each tick.
		s.Containers = make([]snapshot.Container, 0, len(rows)+len(rows)/4)
	}
	// What a shorter list leaves behind would keep old reports alive.
	clear(s.Containers[min(len(rows), len(s.Containers)):])
	s.Containers = s.Containers[:len(rows)]
	for i := range rows {
		row, out := &rows[i], &s.Containers[i]
		if row.onDisk != nil {
			m.tree.Read(row.onDisk, out)
		} else {
			// One of the Docker containerizer, or one being launched or destroyed.
			*out = snapshot.Container{Key: snapshot.Key{ID: row.id}, FirstSeen: row.firstSeen, At: now}
			out.Unreadable(snapshot.NotOnDisk)
		}
		out.Executor = row.executor
	}
	m.judge(s, machine)
	m.stats.countHost(&s.Host)
	for i := range s.Containers {
		m.stats.count(&s.Containers[i])
	}
	m.delays.read(m.seq, &s.Host, rows, s.Containers, m.budget.stretch)
	ended := m.cfg.Monotonic()
	m.stats.Took = ended - began
	m.stats.Cost = m.cfg.ThreadCPU() - spent
	m.stats.fill(m)
	m.budget.spend(ended, m.stats.Cost)
	m.tree.Stretch(m.budget.stretch)
	return s
}

// reservedFiles are left to the rest of the daemon: sockets, logs, listings.
const reservedFiles = 256

// fileLimit is how many descriptors may be kept open. The Go runtime has raised
// the soft limit to the hard one.
func fileLimit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	limit := int(min(l.Cur, math.MaxInt32))
	return max(limit-reservedFiles, limit/2)
}

// Close closes every descriptor.
func (m *Monitor) Close() error {
	m.delays.forgetAll()
	m.tree.Close()
	m.host.Close()
	return nil
}

// bounds says where limits on what the agent's containers can use are looked
// for: in the agent's root and the cgroups above it, whether it exists yet or
// not. On v1 an agent without the cpuset isolator leaves its containers in its
// own cpuset, which is taken to be ours.
func bounds(l cgroup.Layout, cfg Config) host.Bounds {
	b := host.Bounds{V2: l.Mode == cgroup.V2}
	if at := l.Mount("cpu"); at != "" {
		usage := cgroup.Above(l.Mount("cpuacct"), cfg.MesosRoot)
		for i, dir := range cgroup.Above(at, cfg.MesosRoot) {
			b.Quotas = append(b.Quotas, host.QuotaDir{CPU: dir, Usage: usage[i]})
		}
	}
	if at := l.Mount("memory"); at != "" {
		b.Memory = cgroup.Above(at, cfg.MesosRoot)
	}
	switch {
	case l.CPUSet == "":
	case b.V2:
		b.CPUSets = cgroup.Above(l.CPUSet, cfg.MesosRoot)
	default:
		b.CPUSets = []string{filepath.Join(l.CPUSet, cfg.MesosRoot)}
		if own := l.OwnCPUSet(cfg.ProcRoot); own != "" {
			b.CPUSets = append(b.CPUSets, own)
		}
		b.CPUSets = append(b.CPUSets, l.CPUSet)
	}
	return b
}
