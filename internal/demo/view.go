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

// view shows the story while it happens.
type view interface {
	// say shows a line that stays.
	say(at time.Duration, text string)
	// show shows how things are now.
	show(b board)
	// close ends the showing; what is said later goes below.
	close()
}

// newView redraws a table on a terminal, and writes a line per second
// elsewhere.
func newView(out io.Writer, p plan, plain bool) view {
	f, ok := out.(*os.File)
	if plain || !ok || !term.IsTerminal(int(f.Fd())) {
		return &plainView{out: out, p: p}
	}
	return &tableView{out: f, p: p}
}

// plainView writes lines without any control sequence.
type plainView struct {
	out io.Writer
	p   plan

	mu   sync.Mutex
	last time.Duration
}

func (v *plainView) say(at time.Duration, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = fmt.Fprintf(v.out, "%5.1fs * %s\n", at.Seconds(), text)
}

func (v *plainView) show(b board) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b.At-v.last < time.Second-tick/2 {
		return
	}
	v.last = b.At
	_, _ = fmt.Fprintf(v.out, "%5.1fs   %s\n", b.At.Seconds(), strings.Join([]string{
		"service " + b.service(), "hog " + b.hog(), fmt.Sprintf("others %.2f", b.Others),
		"| allocated " + b.cpus("regular_allocated"), "usage " + b.cpus("regular_usage"),
		"peak " + b.cpus("regular_predicted_peak"), "slack " + b.cpus("slack"),
		"promised " + b.cpus("revocable_total"), "offered " + b.cpus("offered"), "(" + words(b.Why) + ")",
		"| busy " + b.busy(),
	}, " "))
}

func (v *plainView) close() {}

// tableView redraws a table below the lines that stay.
type tableView struct {
	out *os.File
	p   plan

	mu    sync.Mutex
	drawn int // lines of the table on the screen
	last  []string
}

func (v *tableView) say(at time.Duration, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draw(append([]string{v.fit(fmt.Sprintf("%5.1fs  %s", at.Seconds(), text))}, v.last...))
	v.drawn = len(v.last)
}

func (v *tableView) show(b board) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = v.last[:0]
	for _, l := range b.table(v.p) {
		v.last = append(v.last, v.fit(l))
	}
	v.draw(v.last)
}

func (v *tableView) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last, v.drawn = nil, 0
}

// draw replaces the table on the screen: cursor up, clear to the end (ECMA-48
// CUU and ED).
func (v *tableView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", v.drawn)
	}
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	_, _ = v.out.WriteString(b.String())
	v.drawn = len(lines)
}

// fit cuts a line to the terminal's width: a wrapped one would not be found
// again.
func (v *tableView) fit(l string) string {
	width, _, err := term.GetSize(int(v.out.Fd()))
	if r := []rune(l); err == nil && width > 0 && len(r) > width {
		return string(r[:width])
	}
	return l
}

// table is the board as lines.
func (b board) table(p plan) []string {
	return []string{
		strings.Repeat("─", 78),
		fmt.Sprintf("%5.1fs  %s", b.At.Seconds(), b.Step),
		"",
		fmt.Sprintf("       %-10s %-10s %9s %9s", "", "", "allocated", "using"),
		fmt.Sprintf("       %-10s %-10s %9s %9s  %s", "service", "regular", p.allocated, b.using(b.Serving, b.Service.Achieved), bar(b.Service.Achieved, p.cpus)),
		fmt.Sprintf("       %-10s %-10s %9s %9s  %s", "hog", "revocable", b.cpus("revocable_allocated"), b.using(b.HogRuns, b.HogCores), bar(b.HogCores, p.cpus)),
		fmt.Sprintf("       %-10s %-10s %9s %9.2f  %s", "others", "", "", b.Others, bar(b.Others, p.cpus)),
		"",
		fmt.Sprintf("       slack   %s = allocated %s − peak %s − margin %s − unmanaged %s",
			b.cpus("slack"), b.cpus("regular_allocated"), b.cpus("regular_predicted_peak"), b.cpus("margin"), b.cpus("unmanaged_usage")),
		fmt.Sprintf("       offer   %s = promised %s − held %s  (%s)",
			b.cpus("offered"), b.cpus("revocable_total"), b.cpus("revocable_allocated"), words(b.Why)),
		fmt.Sprintf("       rule    %s busy, limit %.0f %% for %s", b.busy(), 100*above, holds),
	}
}

// barWidth is the length of a bar for all CPUs.
const barWidth = 36

func bar(cores float64, cpus int) string {
	n := int(cores/float64(cpus)*barWidth + 0.5)
	return strings.Repeat("█", max(0, min(n, barWidth)))
}

func (b board) using(there bool, cores float64) string {
	if !there {
		return "-"
	}
	return fmt.Sprintf("%.2f", cores)
}

func (b board) service() string {
	if !b.Serving {
		return "-"
	}
	return fmt.Sprintf("%.2f of %.2f asked", b.Service.Achieved, b.Service.Asked)
}

func (b board) hog() string { return b.using(b.HogRuns, b.HogCores) }

// cpus is a metric of the daemon as text, "-" while there is none.
func (b board) cpus(name string) string {
	v, ok := b.Metrics.cpus(name)
	return b.using(ok, v)
}

// busy is the reading of the daemon's rule.
func (b board) busy() string {
	v, ok := b.Metrics[`estimatord_rule_signal{rule="`+ruleName+`"}`]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}
