package kernel

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestParseNumber(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       snapshot.Count
	}{
		{"zero", "0\n", snapshot.CountOf(0)},
		{"a usage", "413947213\n", snapshot.CountOf(413947213)},
		{"the largest", "18446744073709551615\n", snapshot.CountOf(math.MaxUint64)},
		{"leading zeros", "007\n", snapshot.CountOf(7)},
		{"empty", "", snapshot.Count{Why: snapshot.Truncated}},
		{"only a newline", "\n", snapshot.Count{Why: snapshot.Malformed}},
		{"no newline", "4139", snapshot.Count{Why: snapshot.Truncated}},
		{"one too many", "18446744073709551616\n", snapshot.Count{Why: snapshot.Malformed}},
		{"a digit too many", "184467440737095516150\n", snapshot.Count{Why: snapshot.Malformed}},
		{"negative", "-1\n", snapshot.Count{Why: snapshot.Malformed}},
		{"max", "max\n", snapshot.Count{Why: snapshot.Malformed}},
		{"a unit", "12 kB\n", snapshot.Count{Why: snapshot.Malformed}},
		{"two lines", "1\n2\n", snapshot.Count{Why: snapshot.Malformed}},
		{"leading space", " 1\n", snapshot.Count{Why: snapshot.Malformed}},
		{"NUL", "\x00\n", snapshot.Count{Why: snapshot.Malformed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ParseNumber([]byte(tc.file)); got != tc.want {
				t.Errorf("ParseNumber(%q) = %+v, want %+v", tc.file, got, tc.want)
			}
		})
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0\n", "413947213\n", "18446744073709551615\n", "18446744073709551616\n", "", "-1\n", "max\n", "12"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got := ParseNumber(file)
		// strconv is the oracle for what is digits and a newline; it takes a
		// sign and underscores, which the kernel never prints.
		text, newline := strings.CutSuffix(string(file), "\n")
		want, err := strconv.ParseUint(text, 10, 64)
		ok := newline && err == nil && !strings.ContainsAny(text, "+-_")
		if got.OK() != ok || ok && got.N != want {
			t.Errorf("ParseNumber(%q) = %+v, strconv says %d %v", file, got, want, err)
		}
		if !got.OK() && got.N != 0 {
			t.Errorf("absent, but with the number %d", got.N)
		}
	})
}
