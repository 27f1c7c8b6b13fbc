package replay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The page names every flag of replay, and no other.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	root := Command()
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			known["--"+f.Name] = true
			if f.Name != "help" && !strings.Contains(string(page), "--"+f.Name) {
				t.Errorf("docs/reference/replay.md does not name --%s", f.Name)
			}
		})
	}
	for _, name := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(page), -1) {
		if !known[name] && name != "--data-urlencode" { // which is curl's
			t.Errorf("docs/reference/replay.md names %s, which is no flag", name)
		}
	}
}
