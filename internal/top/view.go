package top

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/resources"
)

// Attributes of text (ECMA-48 SGR). The library leaves them out where the terminal
// or NO_COLOR says so.
const (
	plain   = "\x1b[m"
	bold    = "\x1b[1m"
	faint   = "\x1b[2m"
	marking = "\x1b[7m"
	red     = "\x1b[1;31m"
	yellow  = "\x1b[33m"
	green   = "\x1b[32m"
)

// wideAt is the width from which ids have columns of their own.
const wideAt = 150

// View implements tea.Model.
func (m *model) View() tea.View {
	var lines []string
	if m.width > 0 {
		lines = m.head()
		room := max(0, m.height-len(lines)-1)
		body := m.table(room)
		if m.text != "" {
			body = m.explanation()
			body = body[min(m.scrolled, len(body)):]
		}
		for i := range room {
			line := ""
			if i < len(body) {
				line = body[i]
			}
			lines = append(lines, line)
		}
		lines = append(lines, m.foot())
		lines = lines[max(0, len(lines)-m.height):]
		for i := range lines {
			lines[i] = ansi.Truncate(lines[i], m.width, "…")
		}
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen, v.WindowTitle = true, "estimatord"
	return v
}

// tableHeight is how many lines the table has without its header, or an
// explanation.
func (m *model) tableHeight() int { return max(1, m.height-len(m.head())-2) }

// styled is text that cannot move the cursor, in an attribute.
func styled(attribute, text string) string {
	return attribute + printable.Text(strings.ReplaceAll(text, "\n", " ")) + plain
}

// head is all above the table: whether all is well, the node, rules, events.
func (m *model) head() []string {
	st := m.st
	agent := "no agent yet"
	if t := st.Tick; t != nil && t.Agent != "" {
		agent = "agent reported " + control.Short(t.UsageAge()) + " ago"
	}
	title := fmt.Sprintf("estimatord %s  mode %s  up %s  %s", st.Daemon.Version, st.Daemon.Mode, control.Short(m.heard.Sub(st.Daemon.Started)), agent)
	lines := append([]string{styled(bold, title)}, m.summary()...)
	lines = append(lines, m.resources()...)
	spare := max(1, m.height/8) // lines for each of rules and events
	return append(append(lines, m.rules(spare)...), m.happened(spare)...)
}

// silentAfter is how long a daemon that says nothing is taken to be there.
const silentAfter = 5 * time.Second

// summary is whether all is well, in two lines at most.
func (m *model) summary() (lines []string) {
	attribute := map[control.Level]string{control.Bad: red, control.Notice: yellow, control.Good: green}[m.st.Words.Level]
	text := m.st.Words.Summary
	if silent := time.Since(m.heard); m.lost != nil || silent > silentAfter {
		why := "it says nothing"
		if m.lost != nil {
			why = m.lost.Error()
		}
		attribute, text = red, fmt.Sprintf("NO DAEMON for %s, what is below is old: %s", control.Short(silent), why)
	}
	for line := range strings.SplitSeq(ansi.Wrap(text, m.width, ""), "\n") {
		if lines = append(lines, styled(attribute, line)); len(lines) == 2 {
			break
		}
	}
	return lines
}

// resources are the sums of the node: for each resource that is offered what keeps
// the offer from being more, who uses it, and a bar.
func (m *model) resources() (lines []string) {
	if m.st.Tick == nil {
		return nil
	}
	offers := m.st.Tick.Offer.Resources
	for i := range offers {
		o := &offers[i]
		h := m.history(o.Resource)
		why := string(m.st.Tick.OfferWhy(o))
		if i < len(m.st.Words.Offers) {
			why = cmp.Or(explain.Deciding(m.st.Words.Offers[i].Causes, o.Why).Text, why)
		}
		allocated, peak, revocable := "-", "-", "-"
		if o.Allocated != nil {
			allocated, revocable = number(o.RegularAllocated.Float()), number(o.RevocableAllocated.Float())
		}
		if o.Estimate != nil {
			peak = number(o.Peak.Float())
		}
		lines = append(lines,
			fmt.Sprintf("%s%-4s offered %s of %s%s  %s", bold, o.Resource, explain.Quantity(o.Resource, o.Offered), number(last(h.Capacity)), plain, styled(faint, why)),
			fmt.Sprintf("     R regular %s of %s (peak %s)  V revocable %s of %s (total %s)", number(last(h.RegularUsage)), allocated, peak,
				number(last(h.RevocableUsage)), revocable, number(o.RevocableTotal.Float())),
			"     "+bar(h, o.Offered.Float(), min(m.width, maxBar)-6))
	}
	return lines
}

// maxBar is the widest bar.
const maxBar = 130

func (m *model) history(resource string) *control.ResourceHistory {
	for i := range m.node {
		if m.node[i].Resource == resource {
			return &m.node[i]
		}
	}
	return &control.ResourceHistory{}
}

// bar shows who uses the capacity: R regular, V revocable, x outside the
// containers, o offered.
func bar(h *control.ResourceHistory, offered float64, width int) string {
	capacity := last(h.Capacity)
	if math.IsNaN(capacity) || capacity <= 0 || width < 1 {
		return ""
	}
	var b strings.Builder
	left, carry := width, 0.0
	for _, part := range []struct {
		sign   string
		amount float64
	}{{"R", last(h.RegularUsage)}, {"V", last(h.RevocableUsage)}, {"x", last(h.Unmanaged)}, {"o", offered}} {
		if math.IsNaN(part.amount) {
			continue
		}
		exact := part.amount/capacity*float64(width) + carry
		n := max(0, min(left, int(exact)))
		carry = exact - float64(n)
		b.WriteString(strings.Repeat(part.sign, n))
		left -= n
	}
	return b.String() + strings.Repeat("·", left)
}

// rules are a line each, active ones first, as many as there is room for.
func (m *model) rules(room int) (lines []string) {
	t := m.st.Tick
	if t == nil {
		return nil
	}
	words := m.st.Words.Rules
	for _, active := range []bool{true, false} {
		for i := range t.QoS.Rules[:min(len(words), len(t.QoS.Rules))] {
			r, w := &t.QoS.Rules[i], &words[i]
			if r.Active != active {
				continue
			}
			attribute := plain
			if active {
				attribute = yellow
			}
			lines = append(lines, styled(attribute, fmt.Sprintf("rule %s  reads %s, acts above %s  %s", r.Name, w.Reads, w.Above, w.State)))
		}
	}
	if more := len(lines) - room; more > 0 {
		lines = append(lines[:room-1], styled(faint, fmt.Sprintf("and %d more rules", more+1)))
	}
	return lines
}

// happened are the last events, the newest last, beginning with the last kill
// before the start.
func (m *model) happened(room int) (lines []string) {
	for _, e := range m.events[max(0, len(m.events)-room):] {
		lines = append(lines, styled(faint, e.At.UTC().Format("15:04:05 ")+e.Text))
	}
	return lines
}

// table is the header and the rows that fit, with the marked one among them.
func (m *model) table(room int) []string {
	lines := []string{m.header()}
	first := max(0, m.marked+2-room)
	for i := first; i < min(m.count(), first+room-1); i++ {
		attribute := ""
		if i == m.marked {
			attribute = marking
		}
		lines = append(lines, styled(attribute, ansi.Truncate(m.line(i), m.width, "…")))
	}
	if m.count() == 0 {
		lines = append(lines, styled(faint, "  "+m.none()))
	}
	return lines
}

// none says why the table is empty.
func (m *model) none() string {
	switch {
	case m.filter != "":
		return "nothing matches"
	case m.kills:
		return "nothing was killed"
	}
	return "the agent runs nothing"
}

const columns = "  %s %-9s %6s %6s %8s %8s %7s  %-11s"

func (m *model) header() string {
	if m.kills {
		return styled(bold, "  LAST KILLS (UTC)     CONTAINER TASK: WHY")
	}
	return styled(bold, m.wide("NAME", "CONTAINER", "FRAMEWORK", "CLASS", "CPUs", "of", "MB", "of", "AGE", "STATE"))
}

func (m *model) line(i int) string {
	if m.kills {
		c := m.killed[i].Cells()
		return fmt.Sprintf("  %s  %-8s  %s: %s", c[0], c[1], c[2], c[3])
	}
	c := m.rows[i]
	return m.wide(c.Name(), c.ID, framework(c), c.Class().String(), number(cores(c)), number(allocated(c, resources.CPUs)),
		number(memory(c)), number(allocated(c, resources.Mem)), age(c, m.st), m.st.State(c))
}

// wide puts cells into columns as wide as the screen allows.
func (m *model) wide(name, id, framework string, cells ...any) string {
	rest := fmt.Sprintf(columns, append([]any{""}, cells...)...)
	room := m.width - ansi.StringWidth(rest)
	if m.width >= wideAt {
		room -= 2 * idWidth
		name = fit(name, room)
		return strings.Replace(rest, "  ", "  "+name+fit("  "+id, idWidth)+fit("  "+framework, idWidth), 1)
	}
	return strings.Replace(rest, "  ", "  "+fit(name, room), 1)
}

// idWidth has room for a UUID.
const idWidth = 38

// fit is text in a column of that width. What is too long lacks its middle: names
// and ids often begin alike.
func fit(text string, width int) string {
	text = printable.Text(text)
	long := ansi.StringWidth(text)
	if long <= width {
		return text + strings.Repeat(" ", width-long)
	}
	end := max(0, width-1) / 2
	return ansi.Truncate(text, max(0, width-1-end), "") + "…" + ansi.TruncateLeft(text, long-end, "")
}

// foot says what keys do.
func (m *model) foot() string {
	switch {
	case m.typing:
		return styled(marking, "filter: "+m.filter+"_") + styled(faint, "  enter keep  esc clear")
	case m.text != "":
		return styled(faint, "esc back  up/down scroll  q quit")
	}
	text := "q quit  enter why  o offer  tab kills  s sort: " + m.orders[m.by].name + "  r reverse  / filter"
	if m.kills {
		text = "q quit  enter why  o offer  tab containers  / filter"
	}
	if m.filter != "" {
		text += ": " + m.filter + " (esc clears)"
	}
	return styled(faint, text)
}

// number has two decimals at most.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
