package resources_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
		rs, err := resources.Parse(text, "*")
		if err != nil {
			return
		}
		for i := range rs {
			if r := &rs[i]; r.Name == "" || r.Kind == resources.Scalar && r.Amount <= 0 {
				t.Fatalf("Parse(%q) gave the entry %+v", text, *r)
			}
		}
		if !printable(rs) {
			return
		}
		again, err := resources.Parse(rs.String(), "*")
		if err != nil {
			t.Fatalf("Parse(%q) printed %q: %v", text, rs.String(), err)
		}
		if diff := cmp.Diff(rs, again); diff != "" {
			t.Fatalf("Parse(%q) printed %q, which reads as another (-want +got):\n%s", text, rs.String(), diff)
		}
	})
}

// printable reports whether the agent's printed form can be read back: what is
// unreserved and has no character in a name or item that means something to
// the parser, and amounts that a double holds to the thousandth.
func printable(rs resources.Resources) bool {
	for i := range rs {
		r := &rs[i]
		if r.Reservation != nil || r.AllocatedTo != "" || r.Provider != "" || r.Disk != nil || r.Amount > 1e15 {
			return false
		}
		for _, word := range append([]string{r.Name}, r.Set...) {
			if !plain(word) {
				return false
			}
		}
	}
	return true
}

func plain(word string) bool {
	for _, c := range word {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return word != ""
}
