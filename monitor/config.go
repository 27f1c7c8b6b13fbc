package monitor

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// ErrConfig is wrapped by what is wrong in a Config.
var ErrConfig = errors.New("monitor configuration")

// Defaults of Config.
const (
	DefaultCgroupRoot = "/sys/fs/cgroup"
	DefaultMesosRoot  = "mesos"
	DefaultProcRoot   = "/proc"
	// DefaultStatEvery: reading memory.stat costs 5 to 12 times as much as
	// memory.usage_in_bytes, and is most of the cost of a container.
	DefaultStatEvery = 10
	// DefaultCheckEvery: what is checked seldom changes, and a young container
	// is checked at each tick.
	DefaultCheckEvery = 30
	// DefaultRescanEvery: discovery works by hints; this is its net.
	DefaultRescanEvery = 60
	// DefaultCostBudget is 1.5 % of one core, which 1000 containers cost with
	// the defaults on a slow machine.
	DefaultCostBudget = 0.015
	// DefaultKeepFiles costs 19 MiB of kernel memory at the 5.3 KiB for each
	// that were measured (docs/evidence/cost.md).
	DefaultKeepFiles = 3700
)

// Config says what to read and how often. Its zero value reads the host's own
// mounts with the defaults.
type Config struct {
	// CgroupRoot is where cgroup file systems are mounted.
	CgroupRoot string
	// MesosRoot is the agent's --cgroups_root, relative to each hierarchy.
	MesosRoot string
	// ProcRoot is where procfs is mounted.
	ProcRoot string
	// StatEvery is the number of ticks between two readings of what is
	// expensive, memory.stat above all. 1: at each tick. More: cheaper, with a
	// working set that lags; a usage that jumps is followed at once all the same.
	StatEvery int
	// CheckEvery is the number of ticks between two checks of a container for
	// what seldom changes: a CPU quota (v1), nested containers, a file that
	// was missing.
	CheckEvery int
	// RescanEvery is the number of ticks between two listings of the tree that
	// are made even if nothing seems to have changed.
	RescanEvery int
	// KeepFiles is the number of descriptors above which those of less
	// important files are not kept open, but opened at each reading. More:
	// less CPU, more kernel memory.
	KeepFiles int
	// CostBudget is the share of one core that sampling may cost before what is
	// expensive is read less often than StatEvery says; see Stats. More:
	// fresher working sets on a node with very many containers. 1 or more: as
	// good as none.
	CostBudget float64
	// ThreadCPU is the clock of what sampling costs, nil for the CPU time of
	// the calling thread.
	ThreadCPU func() time.Duration
	// Monotonic is the clock of rates and of Snapshot.Uptime, nil for the
	// kernel's CLOCK_MONOTONIC.
	Monotonic func() time.Duration
}

// withDefaults fills in what is zero and checks the rest.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.CgroupRoot, DefaultCgroupRoot)
	setDefault(&c.MesosRoot, DefaultMesosRoot)
	setDefault(&c.ProcRoot, DefaultProcRoot)
	setDefault(&c.StatEvery, DefaultStatEvery)
	setDefault(&c.CheckEvery, DefaultCheckEvery)
	setDefault(&c.RescanEvery, DefaultRescanEvery)
	setDefault(&c.KeepFiles, DefaultKeepFiles)
	setDefault(&c.CostBudget, DefaultCostBudget)
	if c.ThreadCPU == nil {
		c.ThreadCPU = threadCPU
	}
	if c.Monotonic == nil {
		start, up := time.Now(), monotonic()
		c.Monotonic = func() time.Duration { return up + time.Since(start) }
	}
	switch {
	case c.StatEvery < 1:
		return c, fmt.Errorf("%w: StatEvery is %d, must be at least 1", ErrConfig, c.StatEvery)
	case c.CheckEvery < 1:
		return c, fmt.Errorf("%w: CheckEvery is %d, must be at least 1", ErrConfig, c.CheckEvery)
	case c.RescanEvery < 1:
		return c, fmt.Errorf("%w: RescanEvery is %d, must be at least 1", ErrConfig, c.RescanEvery)
	case c.KeepFiles < 0:
		return c, fmt.Errorf("%w: KeepFiles is %d, must not be negative", ErrConfig, c.KeepFiles)
	}
	if !(c.CostBudget > 0) {
		return c, fmt.Errorf("%w: CostBudget is %v, must be a share of one core above 0", ErrConfig, c.CostBudget)
	}
	// The agent takes its root with or without a leading slash.
	rel := filepath.Clean(strings.Trim(c.MesosRoot, "/"))
	if rel == "." || !filepath.IsLocal(rel) {
		return c, fmt.Errorf("%w: MesosRoot %q must name a directory below the cgroup hierarchies", ErrConfig, c.MesosRoot)
	}
	c.MesosRoot = rel
	return c, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
