package resources_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/estimatord/estimatord/internal/resources"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "cpus:4;mem:1024", "cpus(a/b):2", "cpus{REV}:1", "ports:[1-2,[3-4],0x10-0x1F]", "disks:{a,b}",
		"cpus:7.63918e-313", "cpus:1e300", "cpus:1.5015;cpus:.5", "ports:[5-18446744073709551615]",
		`[{"name":"cpus","type":"SCALAR","scalar":{"value":"4"}}]`,
		`[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]},"role":"r"}]`,
		`[{"name":"d","type":"SET","set":{"item":["a"]},"reservations":[{"type":"STATIC","role":"r"}]}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := resources.Parse(text)
		if err != nil {
			if !errors.Is(err, resources.ErrInvalid) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Fatalf("Parse(%q): error %q", text, err)
			}
			return
		}
		for _, e := range q {
			if e.Name == "" || e.Amount <= 0 {
				t.Fatalf("Parse(%q) gave %+v", text, e)
			}
			if !plain(e.Name) || e.Amount > 1e15 { // a double holds no thousandths beyond
				return
			}
		}
		again, err := resources.Parse(q.String())
		if err != nil || again.String() != q.String() {
			t.Fatalf("Parse(%q) printed %q, which reads as %q, %v", text, q, again, err)
		}
	})
}

// plain reports whether a name has no character that means something to the
// parser.
func plain(word string) bool {
	for _, c := range word {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return word != ""
}
