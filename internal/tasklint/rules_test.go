package tasklint

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// One task for each rule that breaks it, and what becomes of it as a container
// that the agent reports.
func TestRules(t *testing.T) {
	more := func(field string) string { return strings.Replace(task, `"revocable":{}`, `"revocable":{},`+field, 1) }
	cases := []struct {
		text, says string
		victim     bool
	}{
		{strings.Replace(task, `{"name":"mem"`, `{"name":"cpus","scalar":{"value":1}},{"name":"mem"`, 1), "Cannot use both revocable and non-revocable 'cpus'", true},
		{more(`"reservations":[{"type":"DYNAMIC","role":"a"}]`), "cannot be created from revocable", true},
		{more(`"disk":{"persistence":{"id":"p"}}`), "Persistent volumes cannot", true},
		{task, "", true}, // with regular mem
		{`{"tasks":[` + task + `,{"task_id":{"value":"u"},"resources":[{"name":"disk","scalar":{"value":1}}]}]}`, "shares the executor", false},
	}
	if len(cases) != len(Rules()) {
		t.Fatalf("%d cases of %d rules", len(cases), len(Rules()))
	}
	for i, rule := range Rules() {
		var r Report
		w, err := r.parse([]byte(cases[i].text))
		if err != nil {
			t.Fatal(err)
		}
		e := executor(&w)
		rule.apply(&r, &w, &e)
		if said := strings.Join(append(r.Refused, r.Warnings...), "; "); !strings.Contains(said, cases[i].says) || (said == "") != (cases[i].says == "") {
			t.Errorf("%s: %q, want %q", rule.Says, said, cases[i].says)
		}
		// What keeps the rule is not told that it breaks it.
		var good Report
		w, err = good.parse([]byte(task))
		if err != nil {
			t.Fatal(err)
		}
		whole := executor(&w)
		if rule.apply(&good, &w, &whole); len(good.Refused)+len(good.Warnings) > 0 {
			t.Errorf("%s: %q of a good task", rule.Says, append(good.Refused, good.Warnings...))
		}
		e.ContainerID, e.FrameworkID, e.ExecutorID = "c", "f", "e"
		_, err = qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: "c"}, Executor: &e}, qos.Cause{})
		if (err == nil) != cases[i].victim {
			t.Errorf("%s: %s, as a victim: %v", rule.Says, e.Class, err)
		}
	}
}

// docs/frameworks.md shows the table as it is here.
func TestRulesDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/frameworks.md")
	if err != nil {
		t.Fatal(err)
	}
	table := []byte("<!-- rules of revocable resources -->\n| rule | held to by | what breaks it |\n|---|---|---|\n")
	for _, r := range Rules() {
		table = fmt.Appendf(table, "| %s | %s | %s |\n", r.Says, r.By, r.Then)
	}
	table = append(table, "<!-- end of rules -->\n"...)
	if !strings.Contains(string(page), string(table)) {
		t.Errorf("docs/frameworks.md lacks\n%s", table)
	}
}
