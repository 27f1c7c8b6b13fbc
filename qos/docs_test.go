package qos

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Every signal has a section in docs/reference/signals.md with its sentence, what it
// reads where, and the defaults; and no section is of a signal that is not there.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/signals.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- signals -->\n")
	list, _, ended := strings.Cut(rest, "<!-- end of signals -->")
	if !found || !ended {
		t.Fatal("docs/reference/signals.md has no list of signals")
	}
	sections := map[string]string{}
	var order []string
	for _, section := range strings.Split(list, "### signal: ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = body
		order = append(order, name)
	}
	if got, want := strings.Join(order, ", "), signalNames(); got != want {
		t.Errorf("sections are of %s, the table is %s", got, want)
	}
	for i := range signals {
		s := &signals[i]
		body := sections[string(s.name)]
		for _, want := range []string{s.brief, docTable(s)} {
			if !strings.Contains(body, "\n"+want+"\n") {
				t.Errorf("### signal: %s lacks\n%s", s.name, want)
			}
		}
	}
}

// docTable is the table of a section.
func docTable(s *signal) string {
	unit := "number"
	if s.unit == share {
		unit = "share"
	}
	threshold := fmt.Sprintf("`above` must be given, `clear` is %.4g of it", s.defaults.Clear)
	if s.defaults.Above > 0 {
		threshold = fmt.Sprintf("`above: %.4g`, `clear: %.4g`", s.defaults.Above, s.defaults.Clear*s.defaults.Above)
	}
	return fmt.Sprintf("| | |\n|---|---|\n| on cgroup v1 | %s |\n| on cgroup v2 | %s |\n| without PSI | %s |\n| unit | %s |\n| ladder | %s |\n| defaults | %s, `for: %s`, `settle: %s`, `action: %s` |",
		s.v1, s.v2, s.noPSI, unit, s.resource, threshold, s.defaults.For, s.defaults.Settle, s.defaults.Action)
}

// What the table says must be true of every row.
func TestTable(t *testing.T) {
	seen := map[Signal]bool{}
	for i := range signals {
		s := &signals[i]
		switch {
		case seen[s.name]:
			t.Errorf("%s is there twice", s.name)
		case s.defaults.Signal != s.name:
			t.Errorf("the defaults of %s are of %s", s.name, s.defaults.Signal)
		case !strings.HasSuffix(s.brief, ".") || strings.ContainsRune(s.brief, '\n'):
			t.Errorf("the brief of %s is no sentence", s.name)
		case s.v1 == "" || s.v2 == "" || s.noPSI == "":
			t.Errorf("%s does not say what it reads everywhere", s.name)
		case !(s.defaults.Clear > 0 && s.defaults.Clear <= 1):
			t.Errorf("%s clears at %v of its threshold", s.name, s.defaults.Clear)
		}
		seen[s.name] = true
		if s.defaults.Above == 0 {
			continue
		}
		r, _ := s.name.Defaults()
		r.Name, r.Clear = "rule", s.name.ClearOf(r.Above)
		if err := policyOf(r).Validate(); err != nil {
			t.Errorf("the defaults of %s are no rule: %v", s.name, err)
		}
	}
}
