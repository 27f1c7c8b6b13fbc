package predict_test

import (
	"os"
	"strings"
	"testing"

	compared "github.com/estimatord/estimatord/internal/replay/predict"
)

// TestDocs holds the table of predictors in the documentation to that in the
// code.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/internals/estimators.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Predictors\n")
	if !found {
		t.Fatal("docs/internals/estimators.md has no section Predictors")
	}
	names := compared.Predictors().Names()
	last := 0
	for _, name := range names {
		at := strings.Index(section, "\n| `"+name+"` | ")
		if at < last {
			t.Errorf("docs/internals/estimators.md has no row for %s, or in another order than the table", name)
			continue
		}
		last = at
	}
	if got := strings.Count(section[:strings.Index(section, "### ")], "\n| `"); got != len(names) {
		t.Errorf("docs/internals/estimators.md lists %d predictors, the table %d", got, len(names))
	}
}
