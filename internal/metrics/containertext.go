package metrics

import (
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// containerFamily is one metric of containers.
type containerFamily struct {
	name, kind, help string
	// whole: its labels are all there are. The others carry those by which a
	// container is found and summed up; the rest are long, and would be half
	// of every page.
	whole bool
	// value appends the text of the number; what is absent has none.
	value func(b []byte, c *snapshot.Container) ([]byte, bool)
}

var containerFamilies = []containerFamily{
	{name: "info", kind: "gauge", help: "Always 1; the labels say whose container it is.", whole: true, value: func(b []byte, _ *snapshot.Container) ([]byte, bool) {
		return append(b, '1'), true
	}},
	{name: "cpu_usage_seconds_total", kind: "counter", help: "CPU time used since the cgroup was made.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.CPU.UsageNanos, 9)
	}},
	{name: "cpu_cores", kind: "gauge", help: "CPU use between the last two ticks; 1 is one busy core.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return strconv.AppendFloat(b, c.CPU.Cores.V, 'g', -1, 64), c.CPU.Cores.OK()
	}},
	{name: "cpu_throttled_seconds_total", kind: "counter", help: "Time that tasks were held back by the container's CPU quota; absent without one.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.CPU.ThrottledNanos, 9)
	}},
	{name: "cpu_waiting_seconds_total", kind: "counter", help: "Time in which some task waited for a CPU (pressure); cgroup v2 only.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.Pressure.CPUSomeMicros, 6)
	}},
	{name: "memory_usage_bytes", kind: "gauge", help: "Memory used, the page cache included.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.Memory.UsageBytes, 0)
	}},
	{name: "memory_working_set_bytes", kind: "gauge", help: "Memory used without the page cache that the kernel would reclaim first.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.Memory.UnreclaimableBytes, 0)
	}},
	{name: "memory_anon_bytes", kind: "gauge", help: "Anonymous memory used.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.Memory.AnonBytes, 0)
	}},
	{name: "threads", kind: "gauge", help: "Threads in the cgroup.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, c.Pids, 0)
	}},
}

// appendDecimal appends n with its last digits behind a point, exactly.
func appendDecimal(b []byte, n snapshot.Count, digits int) ([]byte, bool) {
	if !n.OK() {
		return b, false
	}
	unit := uint64(1)
	for range digits {
		unit *= 10
	}
	b = strconv.AppendUint(b, n.N/unit, 10)
	if rest := n.N % unit; rest > 0 {
		b = append(b, '.')
		for rest > 0 {
			unit /= 10
			b = append(b, byte('0'+rest/unit))
			rest %= unit
		}
	}
	return b, true
}

const familyPrefix = "estimatord_container_"

// chunk is how much is collected before it is written.
const chunk = 64 << 10

// containerText renders a page; its buffers are used again.
type containerText struct {
	out []byte
	// labels are those of each container that is shown, one after the other.
	labels []byte
	shown  []shownContainer
}

type shownContainer struct {
	row       int
	from, end int // of labels
}

func newContainerText() *containerText { return &containerText{out: make([]byte, 0, chunk+4<<10)} }

// render writes the page of p, with limit containers at most.
func (t *containerText) render(w io.Writer, p *containerCopy, limit int) error {
	left := t.choose(p.rows, limit)
	t.out = t.head(t.out[:0], "left_out", "gauge", "Containers that are not on this page, since there are too many.")
	t.out = append(append(t.out, familyPrefix...), "left_out "...)
	t.out = append(strconv.AppendInt(t.out, int64(left), 10), '\n')
	for i := range containerFamilies {
		f := &containerFamilies[i]
		headed := false
		for _, s := range t.shown {
			at := len(t.out)
			if !headed {
				t.out = t.head(t.out, f.name, f.kind, f.help)
			}
			t.out = append(append(t.out, familyPrefix...), f.name...)
			if f.whole {
				t.out = appendLabels(t.out, &p.rows[s.row], true)
			} else {
				t.out = append(t.out, t.labels[s.from:s.end]...)
			}
			var ok bool
			if t.out, ok = f.value(t.out, &p.rows[s.row]); !ok {
				t.out = t.out[:at]
				continue
			}
			headed = true
			t.out = append(t.out, '\n')
			if len(t.out) >= chunk {
				if _, err := w.Write(t.out); err != nil {
					return err
				}
				t.out = t.out[:0]
			}
		}
	}
	_, err := w.Write(t.out)
	return err
}

func (t *containerText) head(b []byte, name, kind, help string) []byte {
	b = append(append(append(b, "# HELP "...), familyPrefix...), name...)
	b = append(append(append(b, ' '), help...), "\n# TYPE "...)
	b = append(append(append(b, familyPrefix...), name...), ' ')
	return append(append(b, kind...), '\n')
}

// choose picks the containers to show, those at top level first, and renders
// their labels. It returns how many are left out.
func (t *containerText) choose(rows []snapshot.Container, limit int) (left int) {
	t.shown, t.labels = t.shown[:0], t.labels[:0]
	for _, nested := range [...]bool{false, true} {
		for i := range rows {
			c := &rows[i]
			if (c.Parent != "") != nested {
				continue
			}
			if len(t.shown) >= limit || i > 0 && c.ID == rows[i-1].ID && c.Parent == rows[i-1].Parent {
				left++ // the second: a name that was just reused, and one series cannot be of two
				continue
			}
			from := len(t.labels)
			t.labels = appendLabels(t.labels, c, false)
			t.shown = append(t.shown, shownContainer{row: i, from: from, end: len(t.labels)})
		}
	}
	return left
}

// appendLabels appends the labels in the order of their names.
func appendLabels(b []byte, c *snapshot.Container, whole bool) []byte {
	b = appendLabel(append(b, '{'), "class", c.Class().String())
	b = appendLabel(append(b, ','), "container", c.ID)
	if e := c.Executor; e != nil && whole {
		b = appendLabel(append(b, ','), "executor", e.ExecutorID)
		b = appendLabel(append(b, ','), "framework", e.FrameworkID)
	}
	if c.Parent != "" {
		b = appendLabel(append(b, ','), "parent", c.Parent)
	}
	return append(b, "} "...)
}

func appendLabel(b []byte, name, value string) []byte {
	b = append(append(b, name...), `="`...)
	return append(appendEscaped(b, value), '"')
}

// appendEscaped appends a label's value as the exposition format wants it:
// backslash, quote and line feed escaped, and valid UTF-8 only.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		switch ch := s[i]; {
		case ch == '\\' || ch == '"':
			b = append(b, '\\', ch)
		case ch == '\n':
			b = append(b, '\\', 'n')
		case ch < utf8.RuneSelf:
			b = append(b, ch)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // U+FFFD for what is not valid
			i += size
			continue
		}
		i++
	}
	return b
}
