package explain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// width is how long a line of text is at most, where its words allow it.
const width = 80

// page collects text.
type page struct{ b strings.Builder }

func (p *page) String() string { return p.b.String() }

// say adds a paragraph, wrapped, behind indent.
func (p *page) say(indent, format string, args ...any) {
	n := utf8.RuneCountInString(indent)
	for _, line := range printable.Wrap(strings.Fields(fmt.Sprintf(format, args...)), width-n) {
		p.b.WriteString(indent + line + "\n")
		indent = strings.Repeat(" ", n)
	}
}

func (p *page) blank() { p.b.WriteByte('\n') }

// row adds a sign, a name, a number and a note, in columns.
func (p *page) row(sign, name, number, note string) {
	line := fmt.Sprintf("  %1s %-31s %11s", sign, name, number)
	if note == "" {
		p.b.WriteString(strings.TrimRight(line, " ") + "\n")
		return
	}
	p.say(line+"   ", "%s", note)
}

// code is a reason with its sentence.
func code(c reason.Code) string {
	if text := c.Text(); text != "" {
		return text + " (" + string(c) + ")"
	}
	return "(" + string(c) + ")"
}

// printed is how answers write times.
const printed = "2006-01-02 15:04:05.000 UTC"

func clock(t time.Time) string { return t.UTC().Format(printed) }

// ErrTime is what names no time.
var ErrTime = errors.New("neither a time like 2026-03-01T12:00:00Z nor a duration like 10m")

// ParseTime reads the time about which is asked: in RFC 3339, as answers print it,
// or as a duration before now. "" is the zero time.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if t, err := time.Parse("2006-01-02 15:04:05 UTC", text); err == nil {
		if strings.Contains(text, ".") { // cut to the millisecond, all of which is meant
			t = t.Add(time.Millisecond - time.Nanosecond)
		}
		return t, nil
	}
	ago, err := time.ParseDuration(strings.TrimPrefix(text, "-"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %q", ErrTime, text)
	}
	return now.Add(-ago), nil
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second && d > -10*time.Second {
		return strconv.FormatFloat(d.Round(time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// amount is so much of a ladder's resource.
func amount(r policy.Resource, x float64) string {
	if r == policy.Memory {
		return strconv.FormatFloat(x/resources.MemUnitBytes, 'f', 0, 64) + " MB"
	}
	return strconv.FormatFloat(x, 'f', 2, 64) + " CPUs"
}

func value(v snapshot.Value) string {
	if !v.OK() {
		return "absent (" + v.Why.String() + ")"
	}
	return strconv.FormatFloat(v.V, 'g', 4, 64)
}

// level is a threshold, without the noise of the last digits of one that was
// computed.
func level(x float64) string { return strconv.FormatFloat(x, 'g', 10, 64) }

// rule adds what a rule read and where it stands, and its sentence unless it is
// calm or was said.
func (p *page) rule(d *qos.Decision, r *qos.RuleState, at time.Time, said string) {
	p.say("  ", "%s: %s %s, above %s, clear below %s, for %s; action %s. %s",
		r.Name, r.Signal, value(r.Value), level(r.Above), level(r.Clear), seconds(r.ForSeconds), r.Action, code(r.Why))
	if text := d.Sentence(r, at); r.Why != reason.Calm && text != said {
		p.say("      ", "%s", text)
	}
}

// Quantity is so much of a resource of an offer.
func Quantity(resource string, x resources.Milli) string {
	switch resource {
	case resources.CPUs:
		return x.String() + " CPUs"
	case resources.Mem:
		return x.String() + " MB"
	}
	return x.String()
}
