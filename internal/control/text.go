package control

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// width is that of a terminal which nobody has made wider.
const width = 80

// Text is how things stand at time now for people, in lines of at most 80
// columns: what is longer is cut, and whole in the JSON form.
func Text(st *Status, now time.Time) string {
	p := &printer{now: now}
	p.daemon(st)
	p.policy(st.Policy)
	p.tick(st)
	if t := st.Tick; t != nil {
		p.offers(st)
		p.ladders(t.QoS.Ladders)
		p.rules(&t.QoS)
	}
	p.throttlesAndKills(st)
	if t := st.Tick; t != nil {
		p.signals(t.QoS.Signals)
	}
	return strings.TrimSuffix(p.text.String(), "\n")
}

type printer struct {
	text strings.Builder
	now  time.Time
}

// line writes one line, cut where the terminal ends.
func (p *printer) line(format string, args ...any) {
	p.text.WriteString(clip(strings.TrimRight(fmt.Sprintf(format, args...), " "), width) + "\n")
}

// entry writes a line of the head: a title and what there is to say of it.
func (p *printer) entry(title, format string, args ...any) {
	p.line("%-9s%s", title, fmt.Sprintf(format, args...))
}

// table writes rows in columns below a header, whose cells are separated by |.
func (p *printer) table(header string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, strings.ReplaceAll(header, "|", "\t"))
	for _, cells := range rows {
		for i := range cells {
			cells[i] = clip(cells[i], cellWidth)
		}
		_, _ = fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	_ = columns.Flush() // to memory
	p.line("")
	for line := range strings.Lines(text.String()) {
		p.line("%s", strings.TrimSuffix(line, "\n"))
	}
}

// cellWidth has room for a UUID.
const cellWidth = 37

func (p *printer) daemon(st *Status) {
	d := &st.Daemon
	p.entry("daemon", "%s, pid %d, up %s, mode %s", d.Version, d.PID, p.since(d.Started), d.Mode)
	if d.Paused() {
		p.entry("", "PAUSED for %s, until %s: nothing is offered or taken", p.since(d.PausedSince), d.Ends())
	}
	if t := st.Tick; t != nil && t.QoS.Budget.Open() {
		p.entry("", "KILL BUDGET SPENT %s ago: nothing is offered or killed", p.since(t.QoS.Budget.OpenSince))
	}
}

func (p *printer) policy(pol *config.PolicyStatus) {
	if pol == nil {
		p.entry("policy", "none: nothing is ever taken back")
		return
	}
	mode := ""
	if pol.Shadow {
		mode = ", in shadow mode"
	}
	p.entry("policy", "%s", pol.File)
	p.entry("", "%s, rules: %d%s, in force for %s", pol.Hash, pol.Rules, mode, p.since(pol.Since))
	if pol.Err != "" {
		p.entry("", "THE FILE IS REFUSED (%s ago), the text above stays in force:", p.since(pol.Checked))
		for fault := range strings.SplitSeq(pol.Err, "\n") {
			p.wrap(fault)
		}
	}
	for _, w := range pol.Warnings {
		p.wrap("warning: " + w)
	}
}

func (p *printer) tick(st *Status) {
	t := st.Tick
	if t == nil {
		p.entry("tick", "none yet")
		return
	}
	p.entry("tick", "%s, %s ago, took %s", t.QoS.Why, p.since(t.At), time.Duration(t.TookSeconds*float64(time.Second)).Round(10*time.Microsecond))
	if t.Agent == "" {
		p.entry("agent", "none has reported yet")
	} else {
		p.entry("agent", "%s, reported %s ago", t.Agent, Short(t.UsageAge()))
	}
	c := &t.Containers
	p.entry("tasks", "%d regular, %d revocable, %d shared, %d unknown, %d unreadable", c.Regular, c.Revocable, c.Shared, c.UnknownToAgent, c.Unreadable)
	p.entry("budget", "%d kills left, %d used", t.QoS.Budget.Left, t.QoS.Budget.Used)
}

func (p *printer) offers(st *Status) {
	var rows [][]string
	for i := range st.Tick.Offer.Resources {
		o := &st.Tick.Offer.Resources[i]
		allocated, slack := "-", "-"
		if o.Allocated != nil {
			allocated = number(o.RevocableAllocated.Float())
		}
		if o.Estimate != nil {
			slack = number(o.Slack.Float())
		}
		rows = append(rows, []string{o.Resource, number(o.Offered.Float()), allocated, number(o.RevocableTotal.Float()), slack, string(st.Tick.OfferWhy(o))})
	}
	p.table("RESOURCE|OFFERED|REVOCABLE ALLOCATED|REVOCABLE TOTAL|SLACK|WHY", rows)
}

func (p *printer) ladders(ladders []qos.LadderState) {
	var rows [][]string
	for i := range ladders {
		l := &ladders[i]
		limit := ""
		switch {
		case l.Limit > 0 && l.Resource == policy.Memory:
			limit = number(l.Limit/(1<<20)) + " MiB"
		case l.Limit > 0:
			limit = number(l.Limit) + " cores"
		}
		rows = append(rows, []string{l.Resource.String(), l.Rung.String(), l.Wanted.String(), p.since(l.Since), limit, clip(l.Rule, nameWidth)})
	}
	p.table("LADDER|STANDS AT|WANTED|FOR|LIMIT|RULE", rows)
}

// nameWidth is how much of a rule's name is shown.
const nameWidth = 19

func (p *printer) rules(d *qos.Decision) {
	var rows [][]string
	add := func(rules []qos.RuleState, mode string) {
		for i := range rules {
			r := &rules[i]
			rows = append(rows, []string{clip(r.Name, nameWidth), string(r.Signal), value(r.Value), number(r.Above), number(r.Clear), mode + string(r.Why)})
		}
	}
	add(d.Rules, "")
	if d.Shadow != nil {
		add(d.Shadow.Rules, "shadow:")
	}
	p.table("RULE|SIGNAL|READS|ABOVE|CLEAR|STATE", rows)
}

func (p *printer) throttlesAndKills(st *Status) {
	var throttles, kills [][]string
	for i := range st.Containers {
		c := &st.Containers[i]
		for j := range c.Applied {
			s := &c.Applied[j]
			throttles = append(throttles, []string{c.ID, s.Name, s.Value, string(s.Why)})
		}
	}
	p.table("THROTTLED|SETTING|VALUE|STATE", throttles)
	for _, k := range st.KillsInFlight {
		kills = append(kills, []string{k.ID, p.since(k.Since)})
	}
	p.table("DYING|FOR", kills)
}

func (p *printer) signals(signals []signal.Named) {
	var known, unknown []string
	for _, s := range signals {
		if s.Value.OK() {
			known = append(known, string(s.Signal)+" "+number(s.Value.V))
		} else {
			unknown = append(unknown, string(s.Signal)+" ("+s.Value.Why.String()+")")
		}
	}
	if len(signals) > 0 {
		p.line("")
	}
	p.list("signals", known)
	p.list("unknown", unknown)
}

// list writes words in as many lines as they need.
func (p *printer) list(title string, words []string) {
	line := ""
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if line != "" && len(line)+len(" ")+len(w) > width-9 {
			p.entry(title, "%s", line)
			title, line = "", ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	if line != "" {
		p.entry(title, "%s", line)
	}
}

// wrap writes an entry in as many lines as it needs.
func (p *printer) wrap(text string) {
	r := []rune(printable.Text(text))
	for len(r) > 0 {
		n := min(width-9, len(r))
		p.entry("", "%s", strings.TrimSpace(string(r[:n])))
		r = r[n:]
	}
}

func (p *printer) since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Short(p.now.Sub(t))
}

// Short is d in two units at most.
func Short(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		h := d / time.Hour
		return fmt.Sprintf("%dh%dm", h, (d-h*time.Hour)/time.Minute)
	default:
		days := d / (24 * time.Hour)
		return fmt.Sprintf("%dd%dh", days, (d-days*24*time.Hour)/time.Hour)
	}
}

// number has three significant decimals at most, and no more digits than it
// needs.
func number(v float64) string {
	if v >= 1e7 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

func value(v snapshot.Value) string {
	if !v.OK() {
		return "?"
	}
	return number(v.V)
}

// clip cuts s to n columns. Nothing in it can move the cursor.
func clip(s string, n int) string {
	r := []rune(printable.Text(strings.ReplaceAll(s, "\n", "?")))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
