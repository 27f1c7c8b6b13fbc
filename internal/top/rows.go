package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/resources"
)

// order is what the rows are sorted by, with what an operator looks for first.
type order struct {
	name    string
	compare func(a, b *control.Container) int
}

// orders are those that a key goes through.
func orders() []order {
	most := func(value func(*control.Container) float64) func(a, b *control.Container) int {
		return func(a, b *control.Container) int { return cmp.Compare(value(b), value(a)) } // what is not known is last
	}
	return []order{
		{"CPUs used", most(cores)},
		{"MB used", most(memory)},
		{"CPUs above", most(func(c *control.Container) float64 { return cores(c) - allocated(c, resources.CPUs) })},
		{"name", func(a, b *control.Container) int { return cmp.Compare(a.Name(), b.Name()) }},
		{"class", func(a, b *control.Container) int { return cmp.Compare(b.Class(), a.Class()) }},
		{"youngest", func(a, b *control.Container) int { return b.FirstSeen.Compare(a.FirstSeen) }},
	}
}

// cores is what a container uses, NaN when it is not known; memory the same in MB.
func cores(c *control.Container) float64 {
	if !c.CPU.Cores.OK() {
		return math.NaN()
	}
	return c.CPU.Cores.V
}

func memory(c *control.Container) float64 {
	if !c.Memory.UnreclaimableBytes.OK() {
		return math.NaN()
	}
	return float64(c.Memory.UnreclaimableBytes.N) / resources.MemUnitBytes
}

// allocated is all that a container was given of a resource, NaN when the agent does
// not list it.
func allocated(c *control.Container, resource string) float64 {
	if c.Executor == nil {
		return math.NaN()
	}
	return c.Executor.Regular.Get(resource).Plus(c.Executor.Revocable.Get(resource)).Float()
}

func framework(c *control.Container) string {
	if c.Executor == nil {
		return ""
	}
	return cmp.Or(c.Executor.FrameworkName, c.Executor.FrameworkID)
}

// age is how long the daemon has known a container.
func age(c *control.Container, st *control.Status) string {
	if st.Tick == nil || c.FirstSeen.IsZero() {
		return "-"
	}
	return control.Short(c.Age(st.Tick.At).Truncate(time.Second))
}

// rowsOf are the containers that have the text in what is shown of them, in
// whatever case, in order.
func rowsOf(st *control.Status, text string, by order, reverse bool) (rows []*control.Container) {
	for i := range st.Containers {
		c := &st.Containers[i]
		shown := strings.Join([]string{c.Name(), c.ID, framework(c), c.Class().String(), st.State(c)}, "\n")
		if strings.Contains(strings.ToLower(shown), strings.ToLower(text)) {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, func(a, b *control.Container) int {
		if reverse {
			a, b = b, a
		}
		return cmp.Or(by.compare(a, b), a.Compare(b.Key))
	})
	return rows
}

// details are what is known of a container besides its readings.
func details(c *control.Container) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", c.Name(), c.Class())
	if e := c.Executor; e != nil {
		fmt.Fprintf(&b, "  regular %s\n  revocable %s\n  role %s\n", cmp.Or(e.Regular.String(), "none"), cmp.Or(e.Revocable.String(), "none"), e.Role)
		for _, l := range e.Labels {
			fmt.Fprintf(&b, "  label %s=%s\n", l.Key, l.Value)
		}
	}
	for _, s := range c.Applied {
		fmt.Fprintf(&b, "  applied: %s %s (%s)\n", s.Name, s.Value, s.Why)
	}
	return b.String()
}
