package control

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/resources"
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
	p.wrap("status", st.Words.Summary)
	p.daemon(st)
	p.policy(st.Policy)
	p.tick(st)
	if t := st.Tick; t != nil {
		p.offers(st)
		p.ladders(t.QoS.Ladders)
		p.rules(&t.QoS)
	}
	p.containers(st)
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
			p.wrap("", fault)
		}
	}
	for _, w := range pol.Warnings {
		p.wrap("", "warning: "+w)
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
	spent := ""
	if b := &t.QoS.Budget; b.Open() {
		spent = ", spent " + p.since(b.OpenSince) + " ago: nothing is offered or killed"
	}
	p.entry("budget", "%d kills left, %d used%s", t.QoS.Budget.Left, t.QoS.Budget.Used, spent)
}

func (p *printer) offers(st *Status) {
	var rows [][]string
	for i := range st.Tick.Offer.Resources {
		o := &st.Tick.Offer.Resources[i]
		allocated, slack := "-", "-"
		if o.Allocated != nil {
			allocated = explain.Quantity(o.Resource, o.RevocableAllocated)
		}
		if o.Estimate != nil {
			slack = explain.Quantity(o.Resource, o.Slack)
		}
		if o.Allocation != nil {
			slack += " + " + explain.Quantity(o.Resource, o.Allocation.Slack)
		}
		rows = append(rows, []string{
			o.Resource, explain.Quantity(o.Resource, o.Offered), allocated, explain.Quantity(o.Resource, o.RevocableTotal), slack, string(st.Tick.OfferWhy(o)),
		})
	}
	p.table("RESOURCE|OFFERED|REVOCABLE ALLOCATED|REVOCABLE TOTAL|SLACK|WHY", rows)
	for i := range rows {
		if i < len(st.Words.Offers) {
			p.cause(rows[i][0], explain.Deciding(st.Words.Offers[i].Causes, st.Tick.Offer.Resources[i].Why))
		}
	}
}

// cause says what keeps an offer from being more, and what can be done.
func (p *printer) cause(title string, c explain.Cause) {
	switch {
	case c.Text == "":
		return
	case c.Cure != "" && !c.Expected:
		c.Text += "; cure: " + c.Cure
	}
	p.wrap(title, c.Text)
}

func (p *printer) ladders(ladders []qos.LadderState) {
	var rows [][]string
	for i := range ladders {
		l := &ladders[i]
		limit := ""
		if l.Limit > 0 {
			limit = signal.Amount(l.Resource, l.Limit)
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
			level := levelOf(r.Signal)
			reads := "?"
			if r.Value.OK() {
				reads = level(r.Value.V)
			}
			rows = append(rows, []string{clip(r.Name, nameWidth), string(r.Signal), reads, level(r.Above), level(r.Clear), mode + string(r.Why)})
		}
	}
	add(d.Rules, "")
	if d.Shadow != nil {
		add(d.Shadow.Rules, "shadow:")
	}
	p.table("RULE|SIGNAL|READS|ABOVE|CLEAR|STATE", rows)
}

// maxListed are the containers and kills that are listed; top shows all.
const maxListed = 10

// containers are those that use most CPU.
func (p *printer) containers(st *Status) {
	all := slices.Clone(st.Containers)
	slices.SortStableFunc(all, func(a, b Container) int { return cmp.Compare(b.CPU.Cores.V, a.CPU.Cores.V) })
	var rows [][]string
	for i := range all[:min(len(all), maxListed)] {
		c := &all[i]
		cores, mem, of, ofMem := "-", "-", "-", "-"
		if c.CPU.Cores.OK() {
			cores = signal.Amount(policy.CPU, c.CPU.Cores.V)
		}
		if c.Memory.UnreclaimableBytes.OK() {
			mem = signal.Amount(policy.Memory, float64(c.Memory.UnreclaimableBytes.N))
		}
		if e := c.Executor; e != nil {
			of = number(e.Regular.Get(resources.CPUs).Plus(e.Revocable.Get(resources.CPUs)).Float())
			ofMem = number(e.Regular.Get(resources.Mem).Plus(e.Revocable.Get(resources.Mem)).Float())
		}
		rows = append(rows, []string{clip(c.Name(), taskWidth), clip(c.ID, idWidth), c.Class().String(), cores, of, mem, ofMem, st.State(c)})
	}
	p.table("TASK|CONTAINER|CLASS|USES|OF|USES|OF|STATE", rows)
	if more := len(all) - len(rows); more > 0 {
		p.line("and %d more: estimatord top", more)
	}
}

// A task's name and the begin of a container's id, by which explain finds it.
const taskWidth, idWidth = 16, 9

func (p *printer) throttlesAndKills(st *Status) {
	var throttles, dying, kills [][]string
	for i := range st.Containers {
		c := &st.Containers[i]
		for j := range c.Applied {
			s := &c.Applied[j]
			throttles = append(throttles, []string{clip(c.Name(), taskWidth), clip(c.ID, idWidth), cmp.Or(s.File, s.Name), s.Value, string(s.Why)})
		}
	}
	p.table("THROTTLED|CONTAINER|SETTING|VALUE|STATE", throttles)
	for _, k := range st.KillsInFlight {
		dying = append(dying, []string{clip(st.nameOf(k.Key), taskWidth), clip(k.ID, idWidth), p.since(k.Since)})
	}
	p.table("DYING|CONTAINER|FOR", dying)
	for i := range st.Kills[:min(len(st.Kills), maxListed)] {
		k := &st.Kills[i]
		kills = append(kills, []string{p.since(k.At) + " ago", clip(k.Cells()[2], taskWidth), clip(k.ID, idWidth), k.Cells()[3]})
	}
	p.table("KILLED|TASK|CONTAINER|WHY", kills)
}

func (p *printer) signals(signals []signal.Named) {
	var known, unknown []string
	for _, s := range signals {
		if s.Value.OK() {
			known = append(known, string(s.Signal)+" "+levelOf(s.Signal)(s.Value.V))
		} else {
			unknown = append(unknown, string(s.Signal)+" ("+s.Value.Why.String()+")")
		}
	}
	if len(signals) > 0 {
		p.line("")
	}
	p.fill("signals", listed(known))
	p.fill("unknown", listed(unknown))
}

// listed are words with a comma between each two.
func listed(words []string) []string {
	for i := range words[:max(0, len(words)-1)] {
		words[i] += ","
	}
	return words
}

// wrap writes a text as an entry in as many lines as it needs.
func (p *printer) wrap(title, text string) { p.fill(title, strings.Fields(text)) }

// fill writes words as an entry in as many lines as they need.
func (p *printer) fill(title string, words []string) {
	for _, line := range printable.Wrap(words, width-9) {
		p.entry(title, "%s", line)
		title = ""
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

// clip cuts s to n columns. Nothing in it can move the cursor.
func clip(s string, n int) string {
	r := []rune(printable.Text(strings.ReplaceAll(s, "\n", "?")))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
