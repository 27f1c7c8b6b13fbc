package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
)

// glossary is the table between two marks of docs/glossary.md: its rows, each
// with the text of its cells.
func glossary(t *testing.T, mark string) [][]string {
	t.Helper()
	const path = "../../docs/glossary.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), "<!-- "+mark+" -->\n")
	table, _, ends := strings.Cut(rest, "<!-- end of "+mark+" -->\n")
	if !begins || !ends {
		t.Fatalf("%s has no table of %s", path, mark)
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if i < 2 { // head and rule
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for k := range cells {
			cells[k] = strings.Trim(cells[k], " `")
		}
		rows = append(rows, cells)
	}
	return rows
}

// fields are the JSON fields of a type and of all that is in it, by where each
// of them is.
func fields(of reflect.Type, path string, seen map[reflect.Type]bool, found map[string]string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		fields(of.Elem(), path, seen, found)
	case reflect.Struct:
		if seen[of] {
			return
		}
		seen[of] = true
		for _, f := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" || len(f.Index) > 1 {
				continue
			}
			at := path
			if name != "" {
				at = path + "." + name
				found[at] = name
			}
			fields(f.Type, at, seen, found)
		}
	default:
	}
}

// names are all names that people and programs meet, by where each of them is.
func names(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, document := range []any{decision.Record{}, control.Status{}} {
		of := reflect.TypeOf(document)
		fields(of, of.String(), map[reflect.Type]bool{}, all)
	}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		all["command "+cmd.CommandPath()] = cmd.Name()
		cmd.Flags().VisitAll(func(f *pflag.Flag) { all[cmd.CommandPath()+" --"+f.Name] = f.Name })
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	visit(newRoot())
	// Tests hold these tables to what the daemon exports and takes.
	first := regexp.MustCompile("(?m)^\\| `([a-z][a-z0-9_.\\[\\]]*)` \\|")
	signals := regexp.MustCompile("(?m)^### signal: ([a-z_0-9]+)$")
	for page, names := range map[string]*regexp.Regexp{
		"metrics.md": first, "container-metrics.md": first, "settings.md": first, "policy.md": first, "reasons.md": first, "signals.md": signals,
	} {
		text, err := os.ReadFile("../../docs/reference/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range names.FindAllStringSubmatch(string(text), -1) {
			all[page+" "+m[1]] = m[1]
		}
	}
	return all
}

// No name of a metric, a field of the log, a setting, a command, a flag or a
// reason has a word that the glossary replaces by another one.
func TestNamesFollowTheGlossary(t *testing.T) {
	instead := map[string]string{}
	for _, row := range glossary(t, "not used") {
		instead[row[0]] = row[1]
	}
	if len(instead) < 20 {
		t.Fatalf("only %d words are not used", len(instead))
	}
	all := names(t)
	if len(all) < 250 {
		t.Errorf("found only %d names", len(all))
	}
	for where, name := range all {
		for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
			if word := instead[word]; word != "" {
				t.Errorf("%s: say %s", where, word)
			}
		}
	}
}

// Each quantity of the offer has its one name in the log and in the metrics.
func TestQuantitiesOfTheGlossary(t *testing.T) {
	record := map[string]string{}
	fields(reflect.TypeFor[decision.Record](), "", map[reflect.Type]bool{}, record)
	logged := map[string]bool{}
	for at, name := range record {
		if strings.HasPrefix(at, ".offer.resources.") {
			logged[name] = true
		}
	}
	all := names(t)
	rows := glossary(t, "quantities")
	for _, row := range rows {
		if !logged[row[1]] {
			t.Errorf("%s: the log has no %s in its offer", row[0], row[1])
		}
		if name := row[2]; name != "–" && all["metrics.md "+name] == "" {
			t.Errorf("%s: there is no metric %s", row[0], name)
		}
	}
	for _, row := range rows { // two quantities may have one name, one of each kind of slack
		delete(logged, row[1])
	}
	// What is in the log beside the quantities.
	for _, name := range []string{"resource", "governor", "why", "allocation", "roles", "role"} {
		delete(logged, name)
	}
	for name := range logged {
		if !slices.ContainsFunc([]string{"before", "least", "learning_s", "calibrating_s", "hold_s", "raise_in_s", "stopped", "quantum", "step", "dead_band", "reserve"}, func(s string) bool { return s == name }) {
			t.Errorf("the log has %s in its offer, the glossary has not", name)
		}
	}
	if len(rows) < 10 {
		t.Errorf("the glossary has only %d quantities", len(rows))
	}
}
