package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var (
	// commandLine is a line that runs the program: in a block, in an example, or
	// in a unit.
	commandLine = regexp.MustCompile(`(?m)^(?: *|ExecStart=|ExecReload=)(?:\$ )?(?:sudo )?(?:[\w./-]*/)?estimatord( [^|>\n]*)?`)
	// commandSpan is a command in running text, maybe without its arguments.
	commandSpan = regexp.MustCompile("`estimatord ([a-z-][^`]*)`")
	block       = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```|(?:^    [^\n]*\n)+")
)

// Every command that is documented, in an example of the help or run by a unit
// is one, with flags that it has.
func TestEveryDocumentedCommandParses(t *testing.T) {
	found := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, m := range commandLine.FindAllStringSubmatch(cmd.Example, -1) {
			found++
			parse(t, "help of "+cmd.CommandPath(), m[1], true)
		}
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	visit(newRoot())
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, ext := d.Name(), filepath.Ext(path)
		switch {
		case d.IsDir() && (strings.HasPrefix(name, ".") && name != "." || name == "build" || name == "testdata"):
			return fs.SkipDir
		case ext != ".md" && ext != ".service" || name == "CHANGELOG.md":
			return nil
		}
		data, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), "\\\n", "")
		blocks := []string{text}
		if ext == ".md" {
			blocks = block.FindAllString(text, -1)
			for _, m := range commandSpan.FindAllStringSubmatch(text, -1) {
				found++
				parse(t, path, m[1], false)
			}
		}
		for _, b := range blocks {
			for _, m := range commandLine.FindAllStringSubmatch(b, -1) {
				if strings.HasPrefix(m[1], " module ") { // what the module logs
					continue
				}
				found++
				parse(t, path, m[1], true)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 30 {
		t.Errorf("found only %d commands", found)
	}
}

// parse parses a command line as the program would; whole: its arguments are
// all there.
func parse(t *testing.T, where, line string, whole bool) {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	cmd, rest, err := newRoot().Find(strings.Fields(line))
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && whole {
		if err = cmd.ValidateArgs(cmd.Flags().Args()); err == nil {
			err = cmd.ValidateRequiredFlags()
		}
	}
	if err != nil {
		t.Errorf("%s: estimatord %s: %v", where, line, err)
	}
}
