package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// completed are the words that a shell is given for the last of args.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, args...))
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return strings.Fields(out.String())
}

// The last word says what the shell may add: 0 files, 4 nothing, 16 directories.
func TestCompletions(t *testing.T) {
	for line, want := range map[string]string{
		"--mode ":                   "fixed usage allocation usage+allocation noop :4",
		"--mode=u":                  "fixed usage allocation usage+allocation noop :4", // the shell chooses
		"config check --log-level ": "debug info warn error :4",
		"config check --kind ":      "policy daemon :4",
		"replay decisions --mode ":  "fixed usage allocation usage+allocation noop :4",
		"record export --format ":   "csv :4",
		"replay --resource ":        "cpus mem :4",
		"replay --trace ":           ":0",
		"replay --burn-in ":         ":4",
		"--config ":                 ":0",
		"status --config ":          ":0",
		"explain kill --dir ":       ":16",
		"explain kill --at ":        ":4",
		"--interval ":               ":4",
		"pause ":                    ":4",
		"config check ":             ":0",
	} {
		if got := strings.Join(completed(t, strings.Split(line, " ")...), " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := completed(t, ""); !slices.Contains(got, "explain") || slices.Contains(got, "man") {
		t.Errorf("commands: %q", got)
	}
	list, _ := chosenFrom([]string{"tce", "ewma", "max"})(nil, nil, "tce,e")
	if strings.Join(list, " ") != "tce,ewma tce,max" {
		t.Errorf("the rest of a list: %q", list)
	}
}
