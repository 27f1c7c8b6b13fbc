package metrics

import (
	"strconv"
	"unicode"
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
	decimal("cpu_usage_seconds_total", "counter", 9, "CPU time used since the cgroup was made.",
		func(c *snapshot.Container) snapshot.Count { return c.CPU.UsageNanos }),
	{name: "cpu_cores", kind: "gauge", help: "CPU use between the last two ticks; 1 is one busy core.", value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return strconv.AppendFloat(b, c.CPU.Cores.V, 'g', -1, 64), c.CPU.Cores.OK()
	}},
	decimal("cpu_throttled_seconds_total", "counter", 9, "Time that tasks were held back by the container's CPU quota; absent without one.",
		func(c *snapshot.Container) snapshot.Count { return c.CPU.ThrottledNanos }),
	decimal("cpu_waiting_seconds_total", "counter", 6, "Time in which some task waited for a CPU (pressure); cgroup v2 only.",
		func(c *snapshot.Container) snapshot.Count { return c.Pressure.CPUSomeMicros }),
	decimal("memory_usage_bytes", "gauge", 0, "Memory used, the page cache included.",
		func(c *snapshot.Container) snapshot.Count { return c.Memory.UsageBytes }),
	decimal("memory_unreclaimable_bytes", "gauge", 0, "Memory used that the kernel cannot take back without swapping or killing.",
		func(c *snapshot.Container) snapshot.Count { return c.Memory.UnreclaimableBytes }),
	decimal("memory_anon_bytes", "gauge", 0, "Anonymous memory used.",
		func(c *snapshot.Container) snapshot.Count { return c.Memory.AnonBytes }),
	decimal("threads", "gauge", 0, "Threads in the cgroup.",
		func(c *snapshot.Container) snapshot.Count { return c.Pids }),
}

// decimal is a family of counts whose last digits stand behind the point.
func decimal(name, kind string, digits int, help string, get func(*snapshot.Container) snapshot.Count) containerFamily {
	return containerFamily{name: name, kind: kind, help: help, value: func(b []byte, c *snapshot.Container) ([]byte, bool) {
		return appendDecimal(b, get(c), digits)
	}}
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

// containerText renders pages; its buffers are used again.
type containerText struct {
	out   []byte
	shown []*snapshot.Container
	// labels is the text of the short labels of all that are shown; those of the
	// container at i end at ends[i]. They stand in nearly every line.
	labels []byte
	ends   []int
}

// render makes the page of rows, with limit containers at most.
func (t *containerText) render(rows []snapshot.Container, limit int) {
	left := t.choose(rows, limit)
	t.labels, t.ends = t.labels[:0], t.ends[:0]
	for _, c := range t.shown {
		t.labels = appendLabels(t.labels, c, false)
		t.ends = append(t.ends, len(t.labels))
	}
	t.out = appendHead(t.out[:0], "left_out", "gauge", "Containers that are not on this page, since there are too many.")
	t.out = append(strconv.AppendInt(append(t.out, familyPrefix+"left_out "...), int64(left), 10), '\n')
	for i := range containerFamilies {
		f := &containerFamilies[i]
		headed, begin := false, 0
		for i, c := range t.shown {
			at, labels := len(t.out), t.labels[begin:t.ends[i]]
			begin = t.ends[i]
			if !headed {
				t.out = appendHead(t.out, f.name, f.kind, f.help)
			}
			t.out = append(append(t.out, familyPrefix...), f.name...)
			if f.whole {
				t.out = appendLabels(t.out, c, true)
			} else {
				t.out = append(t.out, labels...)
			}
			var ok bool
			if t.out, ok = f.value(t.out, c); !ok {
				t.out = t.out[:at]
				continue
			}
			headed = true
			t.out = append(t.out, '\n')
		}
	}
}

func appendHead(b []byte, name, kind, help string) []byte {
	for _, word := range [...]string{"# HELP ", familyPrefix, name, " ", help, "\n# TYPE ", familyPrefix, name, " ", kind, "\n"} {
		b = append(b, word...)
	}
	return b
}

// choose picks the containers to show, those at top level first. It returns how
// many are left out.
func (t *containerText) choose(rows []snapshot.Container, limit int) (left int) {
	t.shown = t.shown[:0]
	for _, nested := range [...]bool{false, true} {
		for i := range rows {
			c := &rows[i]
			switch {
			case (c.Parent != "") != nested:
			case len(t.shown) >= limit, i > 0 && c.ID == rows[i-1].ID && c.Parent == rows[i-1].Parent:
				left++ // the second: a name that was just reused, and one series cannot be of two
			default:
				t.shown = append(t.shown, c)
			}
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
// backslash, quote and line feed escaped, and valid UTF-8 only. Ids are chosen by
// others: a character that would move the cursor of a terminal is U+FFFD, too.
func appendEscaped(b []byte, s string) []byte {
	if isPlain(s) { // as nearly every id is: rune by rune, labels were two thirds of what a page takes
		return append(b, s...)
	}
	for _, r := range s { // a byte that is not valid UTF-8 is U+FFFD
		switch r {
		case '\\', '"':
			b = append(b, '\\', byte(r))
		case '\n':
			b = append(b, `\n`...)
		default:
			if !unicode.IsPrint(r) {
				r = utf8.RuneError
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// isPlain reports whether s is printable ASCII that needs no escape.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
