package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// view shows the story while it happens: on a terminal a table that is redrawn
// below the lines that stay, elsewhere a line per second.
type view struct {
	out  io.Writer
	plan plan
	// terminal is out's file descriptor, -1 for lines alone.
	terminal int

	mu    sync.Mutex
	last  time.Duration // the last line, without a terminal
	table []string      // on the screen
	hints []string      // below it, from the invitation on
}

func newView(out io.Writer, p plan, plain bool) *view {
	v := &view{out: out, plan: p, terminal: -1}
	if f, ok := out.(*os.File); ok && !plain && term.IsTerminal(int(f.Fd())) {
		v.terminal = int(f.Fd())
	}
	return v
}

// say shows a line that stays.
func (v *view) say(at time.Duration, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draw(fmt.Sprintf("%5.1fs * %s", at.Seconds(), text), v.table)
}

// invite says where else the story can be seen: on a terminal below each table.
func (v *view) invite(hints ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hints = hints
	if v.terminal >= 0 {
		return // with the table
	}
	for _, h := range hints {
		v.draw(h, nil)
	}
}

// show shows how things are now.
func (v *view) show(b *board) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.terminal >= 0:
		v.draw("", append(b.table(v.plan), v.hints...))
	case b.At-v.last >= time.Second-tick/2:
		v.last = b.At
		v.draw(b.line(), nil)
	}
}

// close ends the showing; what is said later goes below the table.
func (v *view) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.table = nil
}

// draw replaces the table on the screen by a line, "" for none, and a table:
// cursor up, clear to the end (ECMA-48 CUU and ED).
func (v *view) draw(line string, table []string) {
	var b strings.Builder
	if len(v.table) > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", len(v.table))
	}
	if line != "" {
		b.WriteString(v.fit(line) + "\n")
	}
	for _, l := range table {
		b.WriteString(v.fit(l) + "\n")
	}
	_, _ = fmt.Fprint(v.out, b.String())
	v.table = table
}

// fit cuts a line to the terminal's width: the cursor would not find the start
// of a wrapped one.
func (v *view) fit(l string) string {
	if v.terminal < 0 {
		return l
	}
	width, _, err := term.GetSize(v.terminal)
	if r := []rune(l); err == nil && width > 0 && len(r) > width {
		return string(r[:width])
	}
	return l
}

// line is the board in one line.
func (b *board) line() string {
	o := b.cpus()
	return fmt.Sprintf("%5.1fs   service %s of %.2f asked, hog %s, others %.2f | %s | revocable total %.2f, offered %.2f (%s) | busy %s",
		b.At.Seconds(), b.Service, b.Asked, b.Hog, b.Others, slackTerms(o), o.RevocableTotal.Float(), o.Offered.Float(), words(string(o.Why)), b.busy())
}

// table is the board as lines.
func (b *board) table(p plan) []string {
	o, allocated := b.cpus(), "-"
	if o.Allocated != nil {
		allocated = fmt.Sprintf("%.2f", o.RevocableAllocated.Float())
	}
	row := func(name, class, allocated, using string, cores float64) string {
		return fmt.Sprintf("       %-10s %-10s %9s %9s  %s", name, class, allocated, using, bar(cores, p.cpus))
	}
	return []string{
		strings.Repeat("─", 78),
		fmt.Sprintf("%5.1fs  %s", b.At.Seconds(), b.Step),
		"",
		row("", "", "allocated", "using", 0),
		row("service", "regular", p.allocated.String(), b.Service.String(), b.Service.Cores),
		row("hog", "revocable", allocated, b.Hog.String(), b.Hog.Cores),
		row("others", "", "", fmt.Sprintf("%.2f", b.Others), b.Others),
		"",
		"       " + slackTerms(o),
		fmt.Sprintf("       offered %.2f = revocable total %.2f − allocated %s  (%s)", o.Offered.Float(), o.RevocableTotal.Float(), allocated, words(string(o.Why))),
		fmt.Sprintf("       rule  %s busy, limit %.0f %% for %s", b.busy(), 100*above, ruleFor),
	}
}

// barWidth is the length of a bar for all CPUs.
const barWidth = 36

func bar(cores float64, cpus int) string {
	n := int(cores/float64(cpus)*barWidth + 0.5)
	return strings.Repeat("█", max(0, min(n, barWidth)))
}
