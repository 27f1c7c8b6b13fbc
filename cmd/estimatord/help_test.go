package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Each help fits a terminal, and whatever takes arguments
// shows an example.
func TestHelp(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			whole := strings.HasPrefix(line, "  estimatord ") || len(strings.Fields(line)) == 1
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > helpWidth && !whole {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		if strings.Contains(cmd.Use, " ") && cmd.Example == "" && (cmd.Parent() == nil || cmd.Parent().Example == "") {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	visit(newRoot())
}
