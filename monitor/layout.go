package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// ContainersDir is where the cgroups of the agent's containers are made.
func (m *Monitor) ContainersDir() string { return m.tree.IdentityRoot() }

// Layout says in one line how this node is read now, for the log: where
// containers are, which readings there cannot be and why, what bounds the
// containers, and what the budgets of CPU time and descriptors changed.
func (m *Monitor) Layout() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cgroup %s, containers in %s", m.layout.Mode, m.tree.IdentityRoot())
	if !m.layout.Real {
		b.WriteString(" (a copied tree)")
	}
	for _, r := range [...]struct{ reading, controller string }{
		{"cpu", "cpuacct"}, {"throttling", "cpu"}, {"memory", "memory"}, {"pids", "pids"},
	} {
		if m.layout.Mount(r.controller) == "" {
			fmt.Fprintf(&b, "; no %s: the %s controller is not there below %s", r.reading, r.controller, m.layout.Root)
		}
	}
	if m.layout.Mode != cgroup.V2 {
		b.WriteString("; no pressure: cgroup v1 has no pressure of single cgroups")
	} else if _, err := os.Stat(filepath.Join(m.cfg.ProcRoot, "pressure")); err != nil {
		// With psi=0 the kernel leaves out this directory and the files of
		// cgroups alike.
		b.WriteString("; no pressure: the kernel has no pressure stall information (CONFIG_PSI, psi=1)")
	}
	if statEvery, _ := m.tree.Cadence(); m.budget.stretch > 1 {
		fmt.Fprintf(&b, "; memory.stat every %d ticks, %d times less often than configured, to cost no more than the budget", statEvery, m.budget.stretch)
	}
	if m.budget.exceeded() {
		b.WriteString(", which is exceeded all the same")
	}
	for _, bound := range m.host.Bounds() {
		b.WriteString("; within ")
		b.WriteString(bound)
	}
	if names := m.tree.Unkept(); len(names) > 0 {
		fmt.Fprintf(&b, "; opened at each reading, since their descriptors would be too many: %s", strings.Join(names, ", "))
	}
	return b.String()
}
