// Package doctor looks for what keeps estimatord from working well on a node: in
// the kernel, its permissions and disks, the agent, the daemon and the policy.
//
// What it looks for is one table (checks.go); docs/reference/doctor.md is made of
// it. A check only reads, and goes by what it is given: directories that stand for
// the host, and what the daemon and the agent have said. A new one is a row, a
// function, and a case with its golden output.
package doctor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/enum"
	"github.com/estimatord/estimatord/internal/printable"
)

// Severity is how bad a finding is.
type Severity uint8

const (
	// Info is worth knowing.
	Info Severity = iota
	// Warning says that it works, and less well than it could.
	Warning
	// Error says that regular tasks are not protected, or nothing is offered.
	Error
)

var severities = enum.Words{"info", "warning", "error"}

// String is the word for s.
func (s Severity) String() string { return severities.String(uint8(s)) }

// MarshalText is the word for s.
func (s Severity) MarshalText() ([]byte, error) { return severities.Marshal(uint8(s)) }

// Check is one row of the table.
type Check struct {
	Code     string
	Severity Severity
	// Meaning says what a finding means, Cure what to do about it, each as a
	// sentence. Link is a page of the documentation.
	Meaning, Cure, Link string
	// find says what it has found on the host, a text for each finding.
	find func(h *Host) []string
}

// Finding is what a check has found.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// Found is what was found, with names and numbers of this host.
	Found   string `json:"found"`
	Meaning string `json:"meaning"`
	Cure    string `json:"cure"`
	Link    string `json:"link"`
}

// Report is the outcome of all checks.
type Report struct {
	// Host is what the node is, for those who are sent the report.
	Host Facts `json:"host"`
	// Checks is how many there were.
	Checks   int       `json:"checks"`
	Findings []Finding `json:"findings"`
}

// Examine makes all checks on h. The worst finding comes first.
func Examine(h *Host) *Report {
	r := &Report{Host: h.Facts, Checks: len(table), Findings: []Finding{}}
	for i := range table {
		c := &table[i]
		for _, found := range c.find(h) {
			r.Findings = append(r.Findings, Finding{c.Code, c.Severity, printable.Text(found), c.Meaning, c.Cure, c.Link})
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return r
}

// Worst is the severity of the worst finding, Info when there is none.
func (r *Report) Worst() Severity {
	if len(r.Findings) == 0 {
		return Info
	}
	return r.Findings[0].Severity
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "host     %s\n", &r.Host)
	if len(r.Findings) == 0 {
		b.WriteString("\nNothing was found.\n")
	}
	counts := [len(severityNames)]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
		fmt.Fprintf(&b, "\n%-8s %s\n", f.Severity, f.Code)
		for _, line := range [...]struct{ title, text string }{{"found", f.Found}, {"means", f.Meaning}, {"cure", f.Cure}, {"see", f.Link}} {
			wrap(&b, line.title, line.text)
		}
	}
	var sums []string
	for s := Error; ; s-- {
		sums = append(sums, fmt.Sprintf("%s: %d", severityNames[s], counts[s]))
		if s == Info {
			break
		}
	}
	fmt.Fprintf(&b, "\n%s, checks: %d\n", strings.Join(sums, ", "), r.Checks)
	_, err := io.WriteString(w, b.String())
	return err
}

var severityNames = [...]string{Info: "infos", Warning: "warnings", Error: "errors"}

// wrap writes a text in lines of 88 columns below its title.
func wrap(b *strings.Builder, title, text string) {
	const width, indent = 88, "         "
	line := fmt.Sprintf("         %-6s", title)
	begun := false
	for word := range strings.FieldsSeq(text) {
		if begun && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, begun = indent+"      ", false
		}
		if begun {
			line += " "
		}
		line, begun = line+word, true
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
