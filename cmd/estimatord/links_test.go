package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^) ]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
)

// anchors are what a link into a page may name: its headings, as GitHub writes
// them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		var slug strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				slug.WriteRune('-')
			case r == '-' || r == '_' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r > 127 && r != '–' && r != '→':
				slug.WriteRune(r)
			}
		}
		found[slug.String()] = true
	}
	return found
}

// Every link between pages leads to a file, and to a heading where it names one.
func TestDocumentedLinksResolve(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "deploy/*/*.md", "module/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target, there := string(text), error(nil)
			if file != "" {
				path := filepath.Join(filepath.Dir(page), file)
				if _, there = os.Stat(path); there == nil && anchor != "" {
					var b []byte
					b, there = os.ReadFile(path)
					target = string(b)
				}
			}
			if there != nil {
				t.Errorf("%s: %s leads nowhere: %v", page, m[1], there)
			} else if anchor != "" && !anchors(target)[anchor] {
				t.Errorf("%s: %s: no such heading", page, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("found only %d links", links)
	}
}

// The page of the design names every package directory.
func TestDesignDocumentNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile("../../docs/internals/design.md")
	if err != nil {
		t.Fatal(err)
	}
	below, err := os.ReadDir("../../internal")
	if err != nil || len(below) < 10 {
		t.Fatal(below, err)
	}
	for _, dir := range below {
		if !regexp.MustCompile("`(internal/)?" + dir.Name() + "`").Match(page) {
			t.Errorf("docs/internals/design.md does not name internal/%s", dir.Name())
		}
	}
}

// Each threat of the page about security names tests, and there are such tests.
func TestThreatsNameTheirTests(t *testing.T) {
	tests := map[string]bool{}
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("../..", path))
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/internals/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), "<!-- threats -->\n")
	table, _, ends := strings.Cut(rest, "<!-- end of threats -->")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if !begins || !ends || len(rows) < 10 {
		t.Fatalf("the table of threats has %d rows", len(rows))
	}
	for _, row := range rows[2:] {
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", row)
		}
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("there is no %s: %s", m[1], row)
			}
		}
	}
}
