package signal

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/qos/policy"
)

// Every signal has a section in docs/reference/signals.md with its sentence, what it
// reads where, and the defaults; and no section is of a signal that is not there.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/signals.md")
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
	if got, want := strings.Join(order, ", "), strings.Join(Specs().Names(), ", "); got != want {
		t.Errorf("sections are of %s, the table is %s", got, want)
	}
	for i := range table {
		s := &table[i]
		body := sections[string(s.Name)]
		for _, want := range []string{s.Brief, docTable(s)} {
			if !strings.Contains(body, "\n"+want+"\n") {
				t.Errorf("### signal: %s lacks\n%s", s.Name, want)
			}
		}
	}
}

// docTable is the table of a section.
func docTable(s *Signal) string {
	unit := "number"
	if s.Unit == policy.Share {
		unit = "share"
	}
	threshold := fmt.Sprintf("`above` must be given, `clear` is %.4g of it", s.Default.Clear)
	if s.Default.Above > 0 {
		threshold = fmt.Sprintf("`above: %.4g`, `clear: %.4g`", s.Default.Above, s.Default.Clear*s.Default.Above)
	}
	return fmt.Sprintf("| | |\n|---|---|\n| on cgroup v1 | %s |\n| on cgroup v2 | %s |\n| without PSI | %s |\n| unit | %s |\n| ladder | %s |\n| defaults | %s, `for: %s`, `settle: %s`, `action: %s` |",
		cmp.Or(s.V1, "the same"), cmp.Or(s.V2, "the same"), cmp.Or(s.NoPSI, "the same"), unit, s.Resource, threshold, s.Default.For, s.Default.Settle, s.Default.Action)
}

// What the table says must be true of every row.
func TestTable(t *testing.T) {
	seen := map[policy.Signal]bool{}
	for i := range table {
		s := &table[i]
		switch {
		case seen[s.Name]:
			t.Errorf("%s is there twice", s.Name)
		case s.Default.Signal != s.Name:
			t.Errorf("the defaults of %s are of %s", s.Name, s.Default.Signal)
		case !strings.HasSuffix(s.Brief, ".") || strings.ContainsRune(s.Brief, '\n'):
			t.Errorf("the brief of %s is no sentence", s.Name)
		case !(s.Default.Clear > 0 && s.Default.Clear <= 1):
			t.Errorf("%s clears at %v of its threshold", s.Name, s.Default.Clear)
		}
		seen[s.Name] = true
		if s.Default.Above == 0 {
			continue
		}
		p := policy.DefaultPolicy()
		p.Rules = []policy.Rule{s.Rule()}
		p.Rules[0].Name = "rule"
		if err := p.Validate(Specs()); err != nil {
			t.Errorf("the defaults of %s are no rule: %v", s.Name, err)
		}
	}
}
