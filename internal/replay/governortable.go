package replay

import (
	"fmt"
	"io"
)

// withOptimum: it was found out how few messages would have been possible.
func (r *Report) withOptimum() bool {
	for i := range r.Cells {
		if l := r.Cells[i].LoopScore; l != nil && l.LeastMessagesPerHour > 0 {
			return true
		}
	}
	return false
}

// writeGovernor writes what the master hears, cell by cell, as a table: of a
// raw estimator, of the governor, and the fewest that would have been possible.
func (r *Report) writeGovernor(w io.Writer) error {
	var err error
	put := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
	}
	put("| cell | estimator | raw messages/h | governed | of the raw | savings | cost of it | offline optimum for %s |\n", percent(GivenUp))
	put("|---|---|---|---|---|---|---|---|\n")
	for i := range r.Cells {
		c := &r.Cells[i]
		l := c.LoopScore
		if l == nil {
			continue
		}
		put("| %s %s %s | `%s` | %.1f | %.2f | %s | %.3f | %s | %.2f, %s |\n", c.Dataset, c.Resource, c.Horizon, c.Estimator,
			l.RawMessagesPerHour, l.MessagesPerHour, oneIn(l.MessagesPerHour, l.RawMessagesPerHour), l.RawOffered, percent(l.cost()),
			l.LeastMessagesPerHour, oneIn(l.LeastMessagesPerHour, l.RawMessagesPerHour))
	}
	for _, t := range r.Totals() {
		if t.Looped {
			put("| mean | `%s` | %.1f | %.2f | %s | | %s | |\n", t.Estimator, t.RawMessagesPerHour, t.MessagesPerHour, oneIn(t.MessagesShare, 1), percent(t.GovernorCost))
		}
	}
	return err
}

// oneIn is a share for people: 1/20.
func oneIn(part, whole float64) string {
	if part <= 0 {
		return "none"
	}
	return fmt.Sprintf("1/%.1f", whole/part)
}
