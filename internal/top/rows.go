package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// row is one container, as far as it is shown. What is not known is NaN.
type row struct {
	snapshot.Key
	of                            *control.Container
	name, framework, class, state string
	cores, coresAllocated         float64
	memory, memoryAllocated       float64 // MB
	ageSeconds                    float64
}

// order is what rows are sorted by.
type order struct {
	name string
	// compare has first what an operator looks for.
	compare func(a, b *row) int
}

// orders are those that a key goes through.
func orders() []order {
	more := func(value func(*row) float64) func(a, b *row) int {
		return func(a, b *row) int { return compareKnown(value(b), value(a)) }
	}
	return []order{
		{"CPUs used", more(func(r *row) float64 { return r.cores })},
		{"MB used", more(func(r *row) float64 { return r.memory })},
		{"CPUs above", more(func(r *row) float64 { return r.cores - r.coresAllocated })},
		{"name", func(a, b *row) int { return cmp.Compare(a.name, b.name) }},
		{"class", func(a, b *row) int { return cmp.Compare(b.class, a.class) }},
		{"youngest", func(a, b *row) int { return compareKnown(a.ageSeconds, b.ageSeconds) }},
	}
}

// compareKnown compares numbers, of which one that is not known is the least.
func compareKnown(a, b float64) int { return cmp.Compare(a, b) } // cmp puts NaN first

// rowOf is how a container stands, with its newest readings.
func rowOf(c *control.Container, st *control.Status) row {
	r := row{Key: c.Key, of: c, name: c.Name(), class: c.Class().String(), cores: math.NaN(), memory: math.NaN(), coresAllocated: math.NaN(), memoryAllocated: math.NaN(), ageSeconds: math.NaN()}
	if c.CPU.Cores.OK() {
		r.cores = c.CPU.Cores.V
	}
	if b := c.Memory.UnreclaimableBytes; b.OK() {
		r.memory = float64(b.N) / resources.MemUnitBytes
	}
	if st.Tick != nil && !c.FirstSeen.IsZero() {
		r.ageSeconds = max(0, c.Age(st.Tick.At).Seconds())
	}
	if e := c.Executor; e != nil {
		r.framework = e.FrameworkID
		r.coresAllocated = e.Regular.Get(resources.CPUs).Plus(e.Revocable.Get(resources.CPUs)).Float()
		r.memoryAllocated = e.Regular.Get(resources.Mem).Plus(e.Revocable.Get(resources.Mem)).Float()
	}
	r.state = st.State(c)
	return r
}

// matches reports whether a row has the text that is looked for, in whatever case.
func (r *row) matches(text string) bool {
	for _, field := range []string{r.name, r.ID, r.framework, r.class, r.state} {
		if strings.Contains(strings.ToLower(field), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// rowsOf are the containers that match, in order.
func rowsOf(st *control.Status, filter string, by order, reverse bool) []row {
	var rows []row
	for i := range st.Containers {
		if r := rowOf(&st.Containers[i], st); r.matches(filter) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		c := by.compare(&a, &b)
		if reverse {
			c = -c
		}
		return cmp.Or(c, a.Compare(b.Key))
	})
	return rows
}

// details are what is known of a container besides its readings.
func details(c *control.Container) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", c.Name(), c.Class())
	if e := c.Executor; e != nil {
		for _, part := range []struct{ name, value string }{
			{"regular", e.Regular.String()}, {"revocable", e.Revocable.String()}, {"role", e.Role},
		} {
			if part.value != "" {
				fmt.Fprintf(&b, "  %s %s\n", part.name, part.value)
			}
		}
		for _, l := range e.Labels {
			fmt.Fprintf(&b, "  label %s=%s\n", l.Key, l.Value)
		}
	}
	for _, s := range c.Applied {
		fmt.Fprintf(&b, "  applied: %s %s (%s)\n", s.Name, s.Value, s.Why)
	}
	return b.String()
}
