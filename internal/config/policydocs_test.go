package config

import (
	"os"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/qos/policy"
)

// The table of keys in docs/reference/policy.md is that of the parser.
func TestDocumentedPolicy(t *testing.T) {
	const path, begin, end = "../../docs/reference/policy.md", "<!-- keys -->\n", "<!-- end of keys -->\n"
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	rows(&b, newPolicyText().keys(), "")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", path, begin, end)
	}
	want := head + begin + b.String() + end + tail
	if string(doc) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the table of keys says; run UPDATE_DOCS=1 go test ./internal/config", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rows(b *strings.Builder, keys []key, path string) {
	for i := range keys {
		k := &keys[i]
		def := "–"
		switch {
		case k.required:
			def = "required"
		case k.def == bySignal:
			def = k.def
		case k.byDefault() != "":
			def = "`" + k.byDefault() + "`"
		}
		b.WriteString("| `" + path + k.name + "` | " + strings.ReplaceAll(k.form, "|", `\|`) + " | " + def + " | " + k.help + " |\n")
		below := path + k.name + "."
		if k.each != nil {
			below = path + k.name + "[]."
		}
		rows(b, k.below, below)
	}
}

// The actions in docs/reference/policy.md are those of the ladder, in its order.
func TestDocumentedActions(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reference/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, a := range policy.ActionNames() {
		i := strings.Index(string(doc[at:]), "| `"+a+"` | ")
		if i < 0 {
			t.Fatalf("action %s is not documented, or not in order", a)
		}
		at += i
	}
}
