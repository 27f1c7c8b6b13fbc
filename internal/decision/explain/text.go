package explain

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
)

// width is how long a line of text is at most, where its words allow it.
const width = 80

// page collects text.
type page struct{ b strings.Builder }

func (p *page) String() string { return p.b.String() }

// say adds a paragraph, wrapped, behind indent.
func (p *page) say(indent, format string, args ...any) {
	line := indent
	empty := true
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		if !empty && len(line)+1+len(word) > width {
			p.b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = strings.Repeat(" ", len(indent)), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (p *page) blank() { p.b.WriteByte('\n') }

// row adds a sign, a name, a number and a note, in columns.
func (p *page) row(sign, name, number, note string) {
	line := fmt.Sprintf("  %1s %-34s %10s", sign, name, number)
	if note == "" {
		p.b.WriteString(strings.TrimRight(line, " ") + "\n")
		return
	}
	p.say(line+"   ", "%s", note)
}

// code is a reason with its sentence.
func code(c string) string {
	if text := reason.Code(c).Text(); text != "" {
		return text + " (" + c + ")"
	}
	return "(" + c + ")"
}

func clock(i decision.Instant) string { return i.Time().Format("2006-01-02 15:04:05.000 UTC") }

func seconds(s decision.Seconds) string {
	d := time.Duration(s)
	if d < 10*time.Second && d > -10*time.Second {
		return strconv.FormatFloat(d.Round(time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

func milli(a decision.Amount) string { return resources.Milli(a).String() }

// amount is so much of a ladder's resource.
func amount(resource string, x float64) string {
	if resource == policy.Memory.String() {
		return strconv.FormatFloat(x/resources.MemUnitBytes, 'f', 0, 64) + " MB"
	}
	return strconv.FormatFloat(x, 'f', 2, 64) + " CPUs"
}

func value(v decision.Value) string {
	if !v.OK() {
		return "absent (" + v.Why.String() + ")"
	}
	return strconv.FormatFloat(v.V, 'g', 4, 64)
}

// level is a threshold, without the noise of the last digits of one that was
// computed.
func level(x float64) string { return strconv.FormatFloat(x, 'g', 10, 64) }

// rule adds what a rule read and where it stands.
func (p *page) rule(r *decision.RuleLine) {
	p.say("  ", "%s: %s %s, above %s, clear below %s, for %s; action %s. %s",
		r.Name, r.Signal, value(r.Value), level(r.Above), level(r.Clear), seconds(r.For), r.Action, code(r.Why))
	if r.Text != "" {
		p.say("      ", "%s", r.Text)
	}
}
