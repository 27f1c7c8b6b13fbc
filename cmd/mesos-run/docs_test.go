package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every command of docs/frameworks.md, and each in an example of the help, is
// one with flags that it has.
func TestDocumentedCommandsParse(t *testing.T) {
	page, err := os.ReadFile("../../docs/frameworks.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, cmd := range append(newRoot().Commands(), newRoot()) {
		text = strings.Join([]string{text, cmd.Example}, "\n")
	}
	lines := regexp.MustCompile("(?m)(?:^ +|`)mesos-run (-[^`\n]*|[a-z]+ [^`\n]*)").FindAllStringSubmatch(text, -1)
	for _, m := range lines {
		root := newRoot()
		cmd, rest, err := root.Find(strings.Fields(strings.ReplaceAll(m[1], "'", "")))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("mesos-run %s: %v", m[1], err)
		}
	}
	if len(lines) < 12 {
		t.Errorf("found only %d commands", len(lines))
	}
}
