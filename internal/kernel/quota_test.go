package kernel

import (
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestQuotaV2(t *testing.T) {
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
		read := func(Path) ([]byte, snapshot.Absence) { return []byte(file), snapshot.Present }
		if got := (QuotaFiles{}).Cores(read); got != want {
			t.Errorf("%q: %+v, want %+v", file, got, want)
		}
	}
}

func TestQuotaV1(t *testing.T) {
	no := func(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
	for _, tc := range []struct {
		quota, period string
		want          snapshot.Value
	}{
		{"-1\n", "", no(snapshot.NoQuota)},
		{"50000\n", "100000\n", snapshot.ValueOf(0.5)},
		{"-1", "100000\n", no(snapshot.Malformed)},
		{"-2\n", "100000\n", no(snapshot.Malformed)},
		{"", "100000\n", no(snapshot.Truncated)},
		{"max\n", "100000\n", no(snapshot.Malformed)},
		{"0\n", "100000\n", no(snapshot.Malformed)},
		{"50000\n", "0\n", no(snapshot.Malformed)},
		{"50000\n", "100000", no(snapshot.Truncated)},
		{"50000\n", "gone", no(snapshot.NoFile)},
	} {
		f := QuotaFiles{Limit: NewPath("quota"), Period: NewPath("period")}
		got := f.Cores(func(name Path) ([]byte, snapshot.Absence) {
			switch {
			case name.String() == "quota":
				return []byte(tc.quota), snapshot.Present
			case tc.period == "gone":
				return nil, snapshot.NoFile
			}
			return []byte(tc.period), snapshot.Present
		})
		if got != tc.want {
			t.Errorf("%q of %q: %+v, want %+v", tc.quota, tc.period, got, tc.want)
		}
	}
}

// A quota of none comes with its period, which is to be written back.
func TestParseCPUMaxWithoutQuota(t *testing.T) {
	if q, why := ParseCPUMax([]byte("max 50000\n")); why != snapshot.NoQuota || q.PeriodMicros != 50000 {
		t.Errorf("%+v, %v", q, why)
	}
}
