package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Point is one point of the story.
type Point struct {
	// Name says what was to happen.
	Name string
	// OK: it did. Otherwise Expected says what exactly, and Because what
	// likely kept it from happening.
	OK                      bool
	Expected, Seen, Because string
}

// Result is how the story came out.
type Result struct {
	// Points are those that were reached, in order. A story that could not go
	// on ends with a failed one.
	Points []Point
	// Times are the measured times that were reached.
	Times []Measured
	// Took is how long it all took.
	Took time.Duration
	// points is how many the whole story has.
	points int
}

// Measured is a time that was measured.
type Measured struct {
	What string
	Took time.Duration
}

// OK reports whether the whole story came out.
func (r Result) OK() bool {
	for _, p := range r.Points {
		if !p.OK {
			return false
		}
	}
	return len(r.Points) == r.points
}

// write writes the summary.
func (r Result) write(out io.Writer) {
	var b strings.Builder
	b.WriteString("\n")
	for _, p := range r.Points {
		if p.OK {
			fmt.Fprintf(&b, "  ok      %s: %s\n", p.Name, p.Seen)
			continue
		}
		fmt.Fprintf(&b, "  FAILED  %s\n          expected: %s\n          seen:     %s\n", p.Name, p.Expected, p.Seen)
		if p.Because != "" {
			fmt.Fprintf(&b, "          likely:   %s\n", p.Because)
		}
	}
	if len(r.Times) > 0 {
		b.WriteString("\n")
	}
	for _, m := range r.Times {
		fmt.Fprintf(&b, "  %-48s %9s\n", m.What, round(m.Took))
	}
	verdict := "The story came out as told"
	if !r.OK() {
		verdict = "The story did NOT come out as told"
	}
	fmt.Fprintf(&b, "\n%s, in %.0f s.\n", verdict, r.Took.Seconds())
	_, _ = io.WriteString(out, b.String())
}

// round keeps what is worth reading.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
