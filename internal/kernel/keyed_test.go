package kernel

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestKeyed(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       snapshot.Count
	}{
		{"first line", "anon 42\nfile 7\n", snapshot.CountOf(42)},
		{"middle line", "file 7\nanon 42\nslab 1\n", snapshot.CountOf(42)},
		{"last line", "file 7\nanon 42\n", snapshot.CountOf(42)},
		{"a longer key first", "anon_thp 1\nanon 42\n", snapshot.CountOf(42)},
		{"a key that ends like it", "inactive_anon 1\nanon 42\n", snapshot.CountOf(42)},
		{"not there", "file 7\n", snapshot.Count{Why: snapshot.NoKey}},
		{"only longer keys", "anon_thp 1\n", snapshot.Count{Why: snapshot.NoKey}},
		{"empty file", "", snapshot.Count{Why: snapshot.Truncated}},
		{"cut before the key", "file 7\nslab", snapshot.Count{Why: snapshot.Truncated}},
		{"cut in the value", "file 7\nanon 4", snapshot.Count{Why: snapshot.Truncated}},
		{"cut before the value", "file 7\nanon ", snapshot.Count{Why: snapshot.Truncated}},
		{"no value", "anon \nfile 7\n", snapshot.Count{Why: snapshot.Malformed}},
		{"negative", "anon -4\n", snapshot.Count{Why: snapshot.Malformed}},
		{"too large", "anon 18446744073709551616\n", snapshot.Count{Why: snapshot.Malformed}},
		{"trailing text", "anon 4 kB\n", snapshot.Count{Why: snapshot.Malformed}},
		{"two spaces", "anon  4\n", snapshot.Count{Why: snapshot.Malformed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Keyed([]byte(tc.file), NewKey("anon")); got != tc.want {
				t.Errorf("Keyed(%q) = %+v, want %+v", tc.file, got, tc.want)
			}
		})
	}
}

func FuzzKeyed(f *testing.F) {
	f.Add([]byte("anon 42\nfile 7\n"))
	f.Add([]byte("nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"))
	f.Add([]byte("inactive_anon 1\nanon_thp 2\nanon 3\n"))
	f.Add([]byte("anon 4"))
	f.Add([]byte("anon -1\n"))
	key := NewKey("anon")
	f.Fuzz(func(t *testing.T, file []byte) {
		got := Keyed(file, key)
		if !got.OK() {
			if got.N != 0 {
				t.Errorf("absent, but with the number %d", got.N)
			}
			return
		}
		// Whatever is present must stand there literally, on a whole line, and
		// be the first of its key.
		lines := bufio.NewScanner(bytes.NewReader(file))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if value, ok := strings.CutPrefix(lines.Text(), "anon "); ok {
				if n, err := strconv.ParseUint(value, 10, 64); err != nil || n != got.N {
					t.Errorf("Keyed(%q) = %d, the line says %q", file, got.N, value)
				}
				return
			}
		}
		t.Errorf("Keyed(%q) = %d from nowhere", file, got.N)
	})
}
