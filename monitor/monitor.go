package monitor

import (
	"runtime"
	"time"

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
	// fast is the fast lane, nil when there is none.
	fast *Fast
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
	files := raiseFileLimit()
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
	s.Seq, s.At, s.Usage = m.seq, now, usage
	s.Contention = snapshot.Contention{}
	if m.fast != nil {
		s.Contention = m.fast.lastAt(now)
	}
	m.stats = Stats{}

	m.host.Read(now, &s.Host)
	s.TreeWhy = m.tree.Refresh(now)
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
			notOnDisk(row, now, out)
		}
		out.Executor = row.executor
		m.stats.count(out)
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

// Close closes every descriptor.
func (m *Monitor) Close() error {
	m.delays.forgetAll()
	m.tree.Close()
	m.host.Close()
	return nil
}

// notOnDisk is a container that only the agent knows: one of the Docker
// containerizer, or one being launched or destroyed.
func notOnDisk(row *row, now time.Time, out *snapshot.Container) {
	count, value := snapshot.Count{Why: snapshot.NotOnDisk}, snapshot.Value{Why: snapshot.NotOnDisk}
	*out = snapshot.Container{
		Key:       snapshot.Key{ID: row.id},
		FirstSeen: row.firstSeen,
		At:        now,
		CPU: snapshot.CPU{
			UsageNanos: count, Cores: value,
			Periods: count, ThrottledPeriods: count, ThrottledNanos: count,
			QuotaCores: value, RunDelay: value,
		},
		Memory: snapshot.Memory{
			UsageBytes: count, AnonBytes: count, ReclaimableBytes: count, UnreclaimableBytes: count,
		},
		Pids: count,
		Pressure: snapshot.Pressure{
			CPUSome: value, MemorySome: value, MemoryFull: value, IOSome: value, IOFull: value, CPUSomeMicros: count,
		},
	}
}
