package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Report is what a replay found.
type Report struct {
	Traces []TraceSummary
	Cells  []Cell
	// Whole are the whole loops, when a policy was given.
	Whole []WholeScore
	// Timelines are of the first node of each trace, for the first estimator.
	Timelines []*Timeline
	// Target is the violation rate that was asked for.
	Target float64
}

// TraceSummary is what was replayed.
type TraceSummary struct {
	Dataset                 string `json:"dataset"`
	Interval                Span   `json:"interval_s"`
	Span                    Span   `json:"span_s"`
	BurnIn                  Span   `json:"burn_in_s"`
	Rows                    int    `json:"rows"`
	Nodes                   int    `json:"nodes"`
	Containers              int    `json:"containers"`
	SkippedRows             int    `json:"skipped_rows"`
	CutFiles                int    `json:"cut_files,omitempty"`
	FirstSkippedLine        int    `json:"first_skipped_line,omitempty"`
	FirstSkippedRowRejected string `json:"first_skipped_reason,omitempty"`
}

// Total sums an estimator up over its cells.
type Total struct {
	Estimator string `json:"estimator"`
	Cells     int    `json:"cells"`
	// The means are over cells, each with the same weight.
	Savings       float64 `json:"savings"`
	OracleSavings float64 `json:"oracle_savings"`
	ViolationRate float64 `json:"violation_rate"`
	// WorstViolationRate is that of the worst cell.
	WorstViolationRate float64 `json:"worst_violation_rate"`
	// Cost is the mean cost of a prediction in ns per container and step; 0
	// when it was not measured.
	Cost float64 `json:"cost_ns_per_container_sample,omitempty"`
	// CellsAboveTarget counts the cells that violate more often than asked for.
	CellsAboveTarget int     `json:"cells_above_target"`
	SeverityMean     float64 `json:"severity_mean"`
	SeverityP99      float64 `json:"severity_p99"`
}

// Totals sums up per estimator, in the order of their first cells.
func (r *Report) Totals() []Total {
	var totals []Total
	at := make(map[string]int)
	for i := range r.Cells {
		c := &r.Cells[i]
		k, known := at[c.Estimator]
		if !known {
			k = len(totals)
			at[c.Estimator] = k
			totals = append(totals, Total{Estimator: c.Estimator})
		}
		totals[k].add(c, r.Target)
	}
	for k := range totals {
		totals[k].divide()
	}
	return totals
}

func (t *Total) add(c *Cell, target float64) {
	t.Cells++
	t.Savings += c.Savings
	t.OracleSavings += c.Oracle
	t.ViolationRate += c.ViolationRate
	t.WorstViolationRate = max(t.WorstViolationRate, c.ViolationRate)
	if c.ViolationRate > target {
		t.CellsAboveTarget++
	}
	t.Cost += c.NanosPerSample
	t.SeverityMean += c.SeverityMean
	t.SeverityP99 = max(t.SeverityP99, c.SeverityP99)
}

func (t *Total) divide() {
	n := float64(t.Cells)
	for _, sum := range []*float64{
		&t.Cost, &t.Savings, &t.OracleSavings, &t.ViolationRate, &t.SeverityMean,
	} {
		*sum /= n
	}
}

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		TargetViolation float64        `json:"target_violation"`
		Traces          []TraceSummary `json:"traces"`
		Results         []Cell         `json:"results"`
		Totals          []Total        `json:"totals"`
		Whole           []WholeScore   `json:"whole_loop,omitempty"`
	}{r.Target, r.Traces, r.Cells, r.Totals(), r.Whole})
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(tw, format, args...) } // Flush has the error
	for i := range r.Traces {
		t := &r.Traces[i]
		put("%s: %d nodes, %d containers, %d rows every %s for %s, the first %s not scored\n",
			t.Dataset, t.Nodes, t.Containers, t.Rows, t.Interval, t.Span, t.BurnIn)
		if t.SkippedRows > 0 {
			put("%s: %d malformed rows left out, the first in line %d: %s\n",
				t.Dataset, t.SkippedRows, t.FirstSkippedLine, t.FirstSkippedRowRejected)
		}
		if t.CutFiles > 0 {
			put("%s: %d files end in the middle, what is before was used\n", t.Dataset, t.CutFiles)
		}
	}
	put("\ndataset\tresource\thorizon\testimator\tsavings\toracle\tviolations\tworst node\texcess\n")
	for i := range r.Cells {
		c := &r.Cells[i]
		put("%s\t%s\t%s\t%s\t%.3f\t%.3f\t%s\t%s\t%s\n", c.Dataset, c.Resource, c.Horizon, c.Estimator,
			c.Savings, c.Oracle, percent(c.ViolationRate), percent(c.WorstNodeViolationRate), percent(c.SeverityMean))
	}
	put("\nestimator\tcells\tsavings\toracle\tviolations\tworst cell\tabove target\n")
	for _, t := range r.Totals() {
		put("%s\t%d\t%.3f\t%.3f\t%s\t%s\t%d", t.Estimator, t.Cells, t.Savings, t.OracleSavings,
			percent(t.ViolationRate), percent(t.WorstViolationRate), t.CellsAboveTarget)
		if t.Cost > 0 {
			put("\t%.0f ns per container-sample", t.Cost)
		}
		put("\n")
	}
	if len(r.Whole) > 0 {
		put("\nwhole loop\testimator\tgoodput\tlost\twithheld\tkills\twrong\tcontended\trelief mean\trelief max\tmessages/h (raw)\n")
	}
	for i := range r.Whole {
		s := &r.Whole[i]
		put("%s\t%s\t%.3f\t%.0f h\t%.0f h\t%d of %d\t%d\t%s\t%.0f s\t%.0f s\t%.1f (%.1f)\n", s.Dataset, s.Estimator, s.Goodput, s.LostHours, s.WithheldHours,
			s.Kills, s.Started, s.WrongKills, percent(s.ContentionRate), s.ReliefMeanSeconds, s.ReliefMaxSeconds, s.MessagesPerHour, s.RawMessagesPerHour)
	}
	return tw.Flush()
}

// WriteMarkdown writes the summary and the cells as tables for a document; where
// whole loops were run, a table of these instead.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var err error
	put := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
	}
	if len(r.Whole) > 0 {
		put("| trace | estimator | offered | goodput | core-hours done (lost) | kills (wrong) | contended | relief, mean (most) | messages/h (raw) | cost of the governor |\n")
		put("|---|---|---|---|---|---|---|---|---|---|\n")
		for i := range r.Whole {
			s := &r.Whole[i]
			put("| %s | `%s` | %.3f | %.3f | %.0f (%.0f) | %d of %d (%d) | %s | %.0f s (%.0f s) | %.1f (%.1f) | %s |\n", s.Dataset, s.Estimator, s.OfferedSavings, s.Goodput,
				s.CompletedHours, s.LostHours, s.Kills, s.Started, s.WrongKills, percent(s.ContentionRate), s.ReliefMeanSeconds, s.ReliefMaxSeconds,
				s.MessagesPerHour, s.RawMessagesPerHour, percent(s.GovernorCost))
		}
		return err
	}
	put("| estimator | savings | violations, mean | worst cell | cells above %s | excess when violated |\n", percent(r.Target))
	put("|---|---|---|---|---|---|\n")
	totals := r.Totals()
	for _, t := range totals {
		put("| `%s` | %.3f | %s | %s | %d of %d | %s |\n", t.Estimator, t.Savings, percent(t.ViolationRate),
			percent(t.WorstViolationRate), t.CellsAboveTarget, t.Cells, percent(t.SeverityMean))
	}
	if len(totals) == 0 {
		return err
	}
	put("\n| cell | oracle |")
	for _, t := range totals {
		put(" `%s` |", t.Estimator)
	}
	put("\n|---|---|")
	for range totals {
		put("---|")
	}
	last := ""
	for i := range r.Cells {
		c := &r.Cells[i]
		name := fmt.Sprintf("%s %s %s", c.Dataset, c.Resource, c.Horizon)
		if name != last {
			put("\n| %s | %.3f |", name, c.Oracle)
			last = name
		}
		put(" %.3f / %s |", c.Savings, percent(c.ViolationRate))
	}
	put("\n")
	return err
}

func percent(share float64) string { return fmt.Sprintf("%.2f%%", 100*share) }
