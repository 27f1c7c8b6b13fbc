package control

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	operatorv1 "github.com/estimatord/estimatord/proto/estimatord/operator/v1"
)

// width is that of a terminal which nobody has made wider.
const width = 80

// Print writes how things stand at time now for people, in lines of at most 80
// columns: what is longer is cut, and whole in the JSON form.
func Print(out io.Writer, st *operatorv1.StatusResponse, now time.Time) error {
	p := &printer{w: bufio.NewWriter(out), now: now}
	p.daemon(st)
	p.policy(st.GetPolicy())
	p.node(st)
	p.offers(st.GetOffers())
	p.ladders(st.GetLadders())
	p.rules(st.GetRules())
	p.taken(st)
	p.signals(st.GetSignals())
	return p.w.Flush()
}

type printer struct {
	w   *bufio.Writer
	now time.Time
}

// line writes one line, cut where the terminal ends.
func (p *printer) line(format string, args ...any) {
	_, _ = p.w.WriteString(clip(strings.TrimRight(fmt.Sprintf(format, args...), " "), width) + "\n")
}

func (p *printer) daemon(st *operatorv1.StatusResponse) {
	d := st.GetDaemon()
	p.line("%-9s%s, pid %d, up %s, mode %s", "daemon", d.GetVersion(), d.GetPid(), p.since(d.GetStarted()), d.GetMode())
	if d.GetPaused() {
		p.line("%-9sPAUSED for %s: nothing is offered or taken until it is resumed", "", p.since(d.GetPausedSince()))
	}
	if b := st.GetBudget(); b.GetBreakerOpen() {
		p.line("%-9sKILL BUDGET SPENT %s ago: nothing is offered or killed", "", p.since(b.GetOpenSince()))
	}
}

func (p *printer) policy(pol *operatorv1.Policy) {
	if pol == nil {
		p.line("%-9snone: nothing is ever taken back", "policy")
		return
	}
	mode := ""
	if pol.GetShadow() {
		mode = ", in shadow mode"
	}
	p.line("%-9s%s", "policy", pol.GetFile())
	p.line("%-9s%s, rules: %d%s, in force for %s", "", pol.GetHash(), pol.GetRules(), mode, p.since(pol.GetSince()))
	if text := pol.GetError(); text != "" {
		p.line("%-9sTHE FILE IS REFUSED (%s ago), the text above stays in force:", "", p.since(pol.GetChecked()))
		for fault := range strings.SplitSeq(text, "\n") {
			p.wrap("         ", fault)
		}
	}
	for _, w := range pol.GetWarnings() {
		p.wrap("         ", "warning: "+w)
	}
}

func (p *printer) node(st *operatorv1.StatusResponse) {
	t := st.GetTick()
	if t == nil {
		p.line("%-9snone yet", "tick")
		return
	}
	p.line("%-9s%s, %s ago, took %s", "tick", t.GetWhy(), short(t.GetAge().AsDuration()), t.GetTook().AsDuration().Round(10*time.Microsecond))
	if a := st.GetAgent(); a.GetId() == "" {
		p.line("%-9snone has reported yet", "agent")
	} else {
		p.line("%-9s%s, reported %s ago", "agent", a.GetId(), ago(a.GetUsageAge()))
	}
	p.line("%-9s%d regular, %d revocable, %d shared, %d unknown, %d unreadable", "tasks",
		t.GetRegularContainers(), t.GetRevocableContainers(), t.GetSharedContainers(), t.GetUnknownContainers(), t.GetUnreadableContainers())
	if b := st.GetBudget(); b != nil {
		p.line("%-9s%d kills left, %d used", "budget", b.GetLeft(), b.GetUsed())
	}
}

func (p *printer) offers(offers []*operatorv1.Offer) {
	if len(offers) == 0 {
		return
	}
	p.line("\n%-9s%11s%11s%11s%11s  %s", "OFFER", "FREE", "HANDED OUT", "TOTAL", "SLACK", "WHY")
	for _, o := range offers {
		p.line("%-9s%11s%11s%11s%11s  %s", o.GetResource(), number(o.GetFree()), number(o.GetAllocatedRevocable()),
			number(o.GetGross()), number(o.GetSlack()), o.GetWhy())
	}
}

func (p *printer) ladders(ladders []*operatorv1.Ladder) {
	if len(ladders) == 0 {
		return
	}
	p.line("\n%-9s%-15s%-15s%8s  %-12s%s", "LADDER", "STANDS AT", "WANTED", "FOR", "LIMIT", "RULE")
	for _, l := range ladders {
		limit := ""
		switch {
		case l.GetLimit() > 0 && l.GetResource() == "memory":
			limit = number(l.GetLimit()/(1<<20)) + " MiB"
		case l.GetLimit() > 0:
			limit = number(l.GetLimit()) + " cores"
		}
		p.line("%-9s%-15s%-15s%8s  %-12s%s", l.GetResource(), l.GetRung(), l.GetWanted(), p.since(l.GetSince()), limit, l.GetRule())
	}
}

func (p *printer) rules(rules []*operatorv1.Rule) {
	if len(rules) == 0 {
		return
	}
	p.line("\n%-20s%-21s%8s%8s%8s  %s", "RULE", "SIGNAL", "READS", "ABOVE", "CLEAR", "STATE")
	for _, r := range rules {
		state := r.GetWhy()
		if r.GetShadow() {
			state = "shadow:" + state
		}
		p.line("%-20s%-21s%8s%8s%8s  %s", clip(r.GetName(), 19), clip(r.GetSignal(), 20),
			optional(r.Value), number(r.GetAbove()), number(r.GetClear()), state)
	}
}

// taken is what is held and what dies.
func (p *printer) taken(st *operatorv1.StatusResponse) {
	if held := st.GetHeld(); len(held) > 0 {
		p.line("\n%-38s%-12s%-16s%s", "HELD", "SETTING", "VALUE", "STATE")
		for _, h := range held {
			p.line("%-38s%-12s%-16s%s", clip(h.GetContainerId(), 37), clip(h.GetSetting(), 11), clip(h.GetValue(), 15), h.GetWhy())
		}
	}
	if kills := st.GetKills(); len(kills) > 0 {
		p.line("\n%-38s%s", "DYING", "FOR")
		for _, k := range kills {
			p.line("%-38s%s", clip(k.GetContainerId(), 37), p.since(k.GetSince()))
		}
	}
}

func (p *printer) signals(signals []*operatorv1.Signal) {
	var live, dark []string
	for _, s := range signals {
		if s.Value != nil {
			live = append(live, s.GetName()+" "+number(s.GetValue()))
		} else {
			dark = append(dark, s.GetName()+" ("+s.GetAbsent()+")")
		}
	}
	if len(live)+len(dark) == 0 {
		return
	}
	p.line("")
	for _, of := range []struct {
		title string
		words []string
	}{{"signals", live}, {"unknown", dark}} {
		if len(of.words) > 0 {
			p.list(of.title, of.words)
		}
	}
}

// list writes words in as many lines as they need.
func (p *printer) list(title string, words []string) {
	text := fmt.Sprintf("%-9s", title)
	for i, w := range words {
		if i < len(words)-1 {
			w += ", "
		}
		if len(text)+len(strings.TrimRight(w, " ")) > width && len(text) > 9 {
			p.line("%s", text)
			text = strings.Repeat(" ", 9)
		}
		text += w
	}
	p.line("%s", text)
}

// wrap writes text behind indent in as many lines as it needs.
func (p *printer) wrap(indent, text string) {
	r := []rune(printable(text))
	for room := width - len(indent); len(r) > 0; {
		n := min(room, len(r))
		p.line("%s%s", indent, strings.TrimSpace(string(r[:n])))
		r = r[n:]
	}
}

func (p *printer) since(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return short(p.now.Sub(t.AsTime()))
}

func ago(d *durationpb.Duration) string {
	if d == nil {
		return "-"
	}
	return short(d.AsDuration())
}

// short is d in two units at most.
func short(d time.Duration) string {
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

func optional(v *float64) string {
	if v == nil {
		return "?"
	}
	return number(*v)
}

// clip cuts s to n columns. Nothing in it can move the cursor.
func clip(s string, n int) string {
	r := []rune(printable(s))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// printable leaves line breaks, which the caller means.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
