package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// Layout is how this node is read: for the log at start, metrics, the status.
type Layout struct {
	cgroup.Layout
	// MesosRoot is the directory in which containers are listed.
	MesosRoot string
	// Readings are all there can be, live or not.
	Readings []Reading
	// Bounds are what leaves containers fewer processors than are online, or less
	// memory than there is, each in a few words.
	Bounds []string
	// StatEvery is the number of ticks between two readings of memory.stat, and
	// CostStretch how much more that is than configured, to stay within the
	// budget; OverBudget: that is not enough.
	StatEvery, CostStretch int
	OverBudget             bool
	// OpenedEachTime are files whose descriptors would be too many to keep.
	OpenedEachTime []string
	// FileLimit is how many descriptors may be kept.
	FileLimit int
}

// Reading is one kind of reading of containers.
type Reading struct {
	Name string
	Live bool
	// Why says in a sentence why it is not live.
	Why string
}

// Layout is how the node is read now.
func (m *Monitor) Layout() Layout {
	statEvery, _ := m.tree.Cadence()
	return Layout{
		StatEvery:      statEvery,
		CostStretch:    m.budget.stretch,
		OverBudget:     m.budget.exceeded(),
		Layout:         m.layout,
		MesosRoot:      m.tree.IdentityRoot(),
		Readings:       m.readings(),
		Bounds:         m.host.Bounds(),
		OpenedEachTime: m.tree.Unkept(),
		FileLimit:      m.files,
	}
}

func (m *Monitor) readings() []Reading {
	psi := Reading{Name: "pressure", Live: true}
	if m.layout.Mode != cgroup.V2 {
		psi.Live, psi.Why = false, "cgroup v1 has no pressure of single cgroups"
	} else if _, err := os.Stat(filepath.Join(m.cfg.ProcRoot, "pressure")); err != nil {
		// With psi=0 the kernel leaves out this directory and the files of
		// cgroups alike.
		psi.Live, psi.Why = false, "the kernel has no pressure stall information (CONFIG_PSI, psi=1)"
	}
	return []Reading{
		m.reading("cpu", "cpuacct"),
		m.reading("throttling", "cpu"),
		m.reading("memory", "memory"),
		m.reading("pids", "pids"),
		psi,
	}
}

func (m *Monitor) reading(name, controller string) Reading {
	if m.layout.Mount(controller) != "" {
		return Reading{Name: name, Live: true}
	}
	return Reading{Name: name, Why: fmt.Sprintf("the %s controller is not there below %s", controller, m.layout.Root)}
}

// String is l in one line.
func (l Layout) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cgroup %s, containers in %s", l.Mode, l.MesosRoot)
	if !l.Real {
		b.WriteString(" (a copied tree)")
	}
	for _, r := range l.Readings {
		if !r.Live {
			fmt.Fprintf(&b, "; no %s: %s", r.Name, r.Why)
		}
	}
	if l.CostStretch > 1 {
		fmt.Fprintf(&b, "; memory.stat every %d ticks, %d times less often than configured, to cost no more than the budget", l.StatEvery, l.CostStretch)
	}
	if l.OverBudget {
		b.WriteString(", which is exceeded all the same")
	}
	for _, bound := range l.Bounds {
		b.WriteString("; within ")
		b.WriteString(bound)
	}
	if len(l.OpenedEachTime) > 0 {
		fmt.Fprintf(&b, "; opened at each reading, since their descriptors would be too many: %s", strings.Join(l.OpenedEachTime, ", "))
	}
	return b.String()
}
