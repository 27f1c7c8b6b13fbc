package kernel

import (
	"slices"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestParseRunDelay(t *testing.T) {
	no := func(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }
	for file, want := range map[string]snapshot.Count{
		"69283 56004 2\n":                snapshot.CountOf(56004),
		"0 0 0\n":                        snapshot.CountOf(0),
		"1 18446744073709551615 2\n":     snapshot.CountOf(1<<64 - 1),
		"1 18446744073709551616 2\n":     no(snapshot.Malformed),
		"69283 56004 2":                  no(snapshot.Truncated),
		"":                               no(snapshot.Truncated),
		"69283 56004\n":                  no(snapshot.Malformed),
		"69283 56004 2 1\n":              no(snapshot.Malformed),
		"69283  2\n":                     no(snapshot.Malformed),
		"x 56004 2\n":                    no(snapshot.Malformed),
		"69283 -1 2\n":                   no(snapshot.Malformed),
		"69283 56004 2\n69283 56004 2\n": no(snapshot.Malformed),
	} {
		if got := ParseRunDelay([]byte(file)); got != want {
			t.Errorf("%q: %+v, want %+v", file, got, want)
		}
	}
}

func TestParseState(t *testing.T) {
	for file, want := range map[string]byte{
		"4242 (web) S 1 4242 0\n":     'S',
		"4242 (a) R (b) R 1 4242 0\n": 'R',
		"4242 (x) R S) D 1 4242 0\n":  'D',
		"4242 (web":                   0,
		"4242 (web)":                  0,
		"4242 (web)R":                 0,
		"":                            0,
	} {
		if got := ParseState([]byte(file)); got != want {
			t.Errorf("%q: %c, want %c", file, got, want)
		}
	}
}

func TestParseTasks(t *testing.T) {
	for _, tc := range []struct {
		file string
		want []int32
		why  snapshot.Absence
	}{
		{"", nil, snapshot.Present},
		{"1\n", []int32{1}, snapshot.Present},
		{"7\n4194304\n12\n", []int32{7, 4194304, 12}, snapshot.Present},
		{"0\n5\n", nil, snapshot.Hidden},
		{"7\n12", []int32{7}, snapshot.Truncated},
		{"7\n\n", []int32{7}, snapshot.Malformed},
		{"4194305\n", nil, snapshot.Malformed},
		{"7 8\n", nil, snapshot.Malformed},
		{"-7\n", nil, snapshot.Malformed},
	} {
		got, why := ParseTasks([]byte(tc.file), nil)
		if why != tc.why || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %v, %v; want %v, %v", tc.file, got, why, tc.want, tc.why)
		}
	}
}

func FuzzParseThreads(f *testing.F) {
	for _, text := range []string{"69283 56004 2\n", "0 0 0\n", "1 2", "1\n2\n", "1\n2", "18446744073709551616 1 1\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if c := ParseRunDelay(file); c.Why == snapshot.NotRead || !c.OK() && c.N != 0 {
			t.Errorf("%q: %+v", file, c)
		}
		tids, why := ParseTasks(file, nil)
		if why == snapshot.NotRead || len(tids) > len(file)/2+1 || slices.ContainsFunc(tids, func(n int32) bool { return n <= 0 || n > MaxTID }) {
			t.Errorf("%q: %v, %v", file, tids, why)
		}
	})
}
