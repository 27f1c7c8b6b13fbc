package kernel

import (
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestParseCPUMax(t *testing.T) {
	no := func(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
	for file, want := range map[string]snapshot.Value{
		"200000 100000\n":             snapshot.ValueOf(2),
		"1000 100000\n":               snapshot.ValueOf(0.01),
		"max 100000\n":                no(snapshot.NoQuota),
		"max 100000":                  no(snapshot.Truncated),
		"max 100000\nmax 1\n":         no(snapshot.Malformed),
		"max\n":                       no(snapshot.Malformed),
		"max max\n":                   no(snapshot.Malformed),
		"-1 100000\n":                 no(snapshot.Malformed),
		"0 100000\n":                  no(snapshot.Malformed),
		"1 0\n":                       no(snapshot.Malformed),
		"1 99999999999999999999999\n": no(snapshot.Malformed),
		"":                            no(snapshot.Truncated),
	} {
		if got := ParseCPUMax([]byte(file)); got != want {
			t.Errorf("%q: %+v, want %+v", file, got, want)
		}
	}
}

func TestParseQuotaMicros(t *testing.T) {
	no := func(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }
	for file, want := range map[string]snapshot.Count{
		"-1\n":    no(snapshot.NoQuota),
		"50000\n": snapshot.CountOf(50000),
		"-1":      no(snapshot.Malformed),
		"-2\n":    no(snapshot.Malformed),
		"":        no(snapshot.Truncated),
		"max\n":   no(snapshot.Malformed),
	} {
		if got := ParseQuotaMicros([]byte(file)); got != want {
			t.Errorf("%q: %+v, want %+v", file, got, want)
		}
	}
}
