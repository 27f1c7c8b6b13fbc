package kernel

import (
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestParsePSI(t *testing.T) {
	absent := func(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }
	for _, tc := range []struct {
		name, file string
		want       PSI
	}{
		{
			"both lines",
			"some avg10=0.06 avg60=0.21 avg300=0.99 total=8537362\nfull avg10=0.00 avg60=0.13 avg300=0.96 total=8183134\n",
			PSI{snapshot.CountOf(8537362), snapshot.CountOf(8183134)},
		},
		{
			"cpu before 5.13 has no full line",
			"some avg10=2.04 avg60=0.75 avg300=0.40 total=157656722\n",
			PSI{snapshot.CountOf(157656722), absent(snapshot.NoKey)},
		},
		{
			"irq has no some line",
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
			PSI{absent(snapshot.NoKey), snapshot.CountOf(3)},
		},
		{
			"a line of a new kind",
			"most avg10=0.00 total=1\nsome avg10=0.00 avg60=0.00 avg300=0.00 total=2\n",
			PSI{snapshot.CountOf(2), absent(snapshot.NoKey)},
		},
		{
			"cut in the second line",
			"some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3",
			PSI{snapshot.CountOf(12), absent(snapshot.Truncated)},
		},
		{"empty", "", PSI{absent(snapshot.Truncated), absent(snapshot.Truncated)}},
		{"no total", "some avg10=0.00\n", PSI{absent(snapshot.Malformed), absent(snapshot.NoKey)}},
		{"total is not a number", "some total=x\n", PSI{absent(snapshot.Malformed), absent(snapshot.NoKey)}},
		{"text after the total", "some total=1 x\n", PSI{absent(snapshot.Malformed), absent(snapshot.NoKey)}},
		{"something else", "hello\n", PSI{absent(snapshot.NoKey), absent(snapshot.NoKey)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ParsePSI([]byte(tc.file)); got != tc.want {
				t.Errorf("ParsePSI(%q) = %+v, want %+v", tc.file, got, tc.want)
			}
		})
	}
}

func FuzzParsePSI(f *testing.F) {
	f.Add([]byte("some avg10=0.06 avg60=0.21 avg300=0.99 total=8537362\nfull avg10=0.00 avg60=0.13 avg300=0.96 total=8183134\n"))
	f.Add([]byte("some avg10=2.04 avg60=0.75 avg300=0.40 total=157656722\n"))
	f.Add([]byte("some total=18446744073709551616\n"))
	f.Add([]byte("full total=1"))
	f.Fuzz(func(t *testing.T, file []byte) {
		p := ParsePSI(file)
		for prefix, c := range map[string]snapshot.Count{"some ": p.SomeMicros, "full ": p.FullMicros} {
			switch {
			case c.Why == snapshot.NotRead:
				t.Errorf("%q: %sis neither present nor absent with a reason", file, prefix)
			case c.OK() && !strings.Contains(string(file), prefix):
				t.Errorf("%q: %d without a line of %s", file, c.N, prefix)
			}
		}
	})
}
