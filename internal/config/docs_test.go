package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/qos/policy"
)

// documents are all pages that people read, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "deploy/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			docs[path] = string(text)
		}
	}
	if len(docs) < 10 {
		t.Fatalf("found only %d documents", len(docs))
	}
	return docs
}

var yamlBlock = regexp.MustCompile("(?ms)^ *```ya?ml\n(.*?)^ *```")

// Whatever configuration the documentation shows, the daemon takes.
func TestEveryDocumentedConfigurationLoads(t *testing.T) {
	blocks := 0
	for path, text := range documents(t) {
		for _, m := range yamlBlock.FindAllStringSubmatch(text, -1) {
			blocks++
			kind, known := KindOf([]byte(m[1]))
			var err error
			switch {
			case kind == KindPolicy:
				_, err = ParsePolicy(path, []byte(m[1]))
			case kind == KindDaemon:
				_, _, err = LoadFile(path, files(map[string]string{path: m[1]}))
			case !known && strings.HasPrefix(m[1], "scrape_configs:"): // Prometheus's own
			default:
				t.Errorf("%s: neither a policy nor settings:\n%s", path, m[1])
			}
			if err != nil {
				t.Errorf("%s: %v in\n%s", path, err, m[1])
			}
		}
	}
	if blocks < 2 {
		t.Errorf("found %d blocks", blocks)
	}
}

var (
	// inlineKey is `key: value`, of one word, in running text.
	inlineKey = regexp.MustCompile("`([a-z][a-z0-9_]*): ([^ `]+)`")
	// inlinePath is `section.key`.
	inlinePath = regexp.MustCompile("`([a-z][a-z_]*(?:\\[[0-9]*\\])?(?:\\.[a-z_]+)+)`")
)

// Keys that are named in a sentence exist, and take the value that stands there.
func TestEveryDocumentedKeyExists(t *testing.T) {
	c := Default()
	tables := [][]key{settings(&c, files(nil)), newPolicyText().keys(), ruleKeys(&policy.Rule{}), priorityKeys(&policy.Priority{})}
	leaves, paths, sections := map[string][]*key{}, []string{}, []string{}
	for _, keys := range tables {
		sections = append(sections, names(keys)...)
		collect(keys, "", func(path string, k *key) {
			paths = append(paths, path)
			leaves[k.name] = append(leaves[k.name], k)
		})
	}
	for doc, text := range documents(t) {
		for _, m := range inlineKey.FindAllStringSubmatch(text, -1) {
			if m[2] == "..." {
				continue
			}
			takes := func(k *key) bool { return k.set != nil && k.set(m[2]) == nil }
			if !slices.ContainsFunc(leaves[m[1]], takes) {
				t.Errorf("%s: `%s: %s` is refused", doc, m[1], m[2])
			}
		}
		for _, m := range inlinePath.FindAllStringSubmatch(text, -1) {
			path := regexp.MustCompile(`\[[0-9]*\]`).ReplaceAllString(m[1], "")
			section, _, _ := strings.Cut(path, ".")
			if slices.Contains(sections, section) && !slices.Contains(paths, path) {
				t.Errorf("%s: there is no key `%s`", doc, m[1])
			}
		}
	}
}

// collect visits all keys, those of elements of lists too.
func collect(keys []key, path string, visit func(path string, k *key)) {
	for i := range keys {
		full := join(path, keys[i].name)
		visit(full, &keys[i])
		collect(keys[i].below, full, visit)
	}
}
