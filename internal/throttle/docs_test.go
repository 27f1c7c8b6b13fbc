package throttle

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCodesAreDocumented holds the table in docs/internals/throttling.md to the codes.
func TestCodesAreDocumented(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Skip("needs the source")
	}
	page, err := os.ReadFile("../../docs/internals/throttling.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Codes\n")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented[m[1]] = true
	}
	codes := regexp.MustCompile(`reason\.Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range codes {
		if !documented[m[1]] {
			t.Errorf("%s is not in the table", m[1])
		}
		delete(documented, m[1])
	}
	if len(codes) < 20 {
		t.Errorf("found only %d codes", len(codes))
	}
	for code := range documented {
		t.Errorf("%s is in the table, and no code", code)
	}
}
