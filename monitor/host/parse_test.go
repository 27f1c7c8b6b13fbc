package host

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func count(n uint64) snapshot.Count              { return snapshot.CountOf(n) }
func absent(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }

func busy(user, nice, system, irq, softirq, steal uint64) busyTime {
	return busyTime{ticks: [numBusy]uint64{user, nice, system, irq, softirq, steal}, why: snapshot.Present}
}

func TestParseStat(t *testing.T) {
	no := func(why snapshot.Absence) busyTime { return busyTime{why: why} }
	for _, tc := range []struct {
		name, file string
		want       stat
	}{
		{
			"two processors",
			"cpu  12108 17567 11538 1223711 657 0 182 33 5 6\n" +
				"cpu0 5883 7750 5556 613349 88 0 24 13 0 0\ncpu1 6225 9817 5982 610362 569 0 157 19 0 0\nintr 1120284 0\nctxt 1\n",
			// user nice system irq softirq steal; guest is part of user.
			stat{all: busy(12108, 17567, 11538, 0, 182, 33), cpus: count(2)},
		},
		{
			"an offline processor has no line",
			"cpu  1 0 0 5 0 0 0 0 0 0\ncpu0 1 0 0 5 0 0 0 0 0 0\ncpu3 0 0 0 0 0 0 0 0 0 0\nintr 1\n",
			stat{all: busy(1, 0, 0, 0, 0, 0), cpus: count(2)},
		},
		{
			"before 2.6.33 without guest_nice",
			"cpu  1 2 3 4 5 6 7 8 9\ncpu0 1 2 3 4 5 6 7 8 9\nintr 1\n",
			stat{all: busy(1, 2, 3, 6, 7, 8), cpus: count(1)},
		},
		{
			"cut among the processors",
			"cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3",
			stat{all: busy(1, 2, 3, 6, 7, 8), cpus: absent(snapshot.Truncated)},
		},
		{"cut in the first line", "cpu  1 2 3", stat{all: no(snapshot.Truncated), cpus: absent(snapshot.Truncated)}},
		{"too few columns", "cpu  1 2 3 4\ncpu0 1\nintr 1\n", stat{all: no(snapshot.Truncated), cpus: count(1)}},
		{"not a number", "cpu  1 x 3 4 5 6 7 8\ncpu0 1\nintr 1\n", stat{all: no(snapshot.Malformed), cpus: count(1)}},
		{"negative", "cpu  1 -2 3 4 5 6 7 8\ncpu0 1\nintr 1\n", stat{all: no(snapshot.Malformed), cpus: count(1)}},
		{"absurdly large", "cpu  1 1844674407370955161 3 4 5 6 7 8\ncpu0 1\nintr 1\n", stat{all: no(snapshot.Malformed), cpus: count(1)}},
		{"empty", "", stat{all: no(snapshot.Truncated), cpus: absent(snapshot.Truncated)}},
		{"another file", "btime 1\n", stat{all: no(snapshot.NoKey), cpus: absent(snapshot.NoKey)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := parseStat([]byte(tc.file), nil)
			got.set = busyTime{}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestParseCPUList(t *testing.T) {
	for _, tc := range []struct {
		file string
		want []uint64
		why  snapshot.Absence
	}{
		{"0-3\n", []uint64{0, 1, 2, 3}, snapshot.Present},
		{"0\n", []uint64{0}, snapshot.Present},
		{"1-2,5,63-64,8191\n", []uint64{1, 2, 5, 63, 64, 8191}, snapshot.Present},
		{"\n", nil, snapshot.Present},
		{"", nil, snapshot.Truncated},
		{"0-3", nil, snapshot.Truncated},
		{"0-3,\n", nil, snapshot.Malformed},
		{"3-0\n", nil, snapshot.Malformed},
		{"0-8192\n", nil, snapshot.Malformed},
		{"-1\n", nil, snapshot.Malformed},
		{"all\n", nil, snapshot.Malformed},
		{"0 1\n", nil, snapshot.Malformed},
	} {
		set := cpuSet{n: 7} // what was there is overwritten
		why := set.parse([]byte(tc.file))
		var got []uint64
		for cpu := range uint64(maxCPUs) {
			if set.has(cpu) {
				got = append(got, cpu)
			}
		}
		if why != tc.why || set.n != len(tc.want) || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %v (%d), %v; want %v, %v", tc.file, got, set.n, why, tc.want, tc.why)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, text := range []string{"0-3,7\n", "\n", "max 100000\n", "150000 100000\n", "-1\n", "1 0\n", "18446744073709551615 1\n", "0-8191\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if q := (kernel.QuotaFiles{}).Cores(func(kernel.Path) ([]byte, snapshot.Absence) { return file, snapshot.Present }); q.Why == snapshot.NotRead || q.OK() && !(q.V > 0 && q.V <= math.MaxFloat64) || !q.OK() && q.V != 0 {
			t.Errorf("%q: quota %+v", file, q)
		}
		var set cpuSet
		why, n := set.parse(file), 0
		for cpu := range uint64(maxCPUs) {
			if set.has(cpu) {
				n++
			}
		}
		if n != set.n || why == snapshot.NotRead || why != snapshot.Present && n != 0 {
			t.Errorf("%q: %d processors of %d, %v", file, n, set.n, why)
		}
	})
}

func TestParseLoad(t *testing.T) {
	ok := snapshot.ValueOf
	no := func(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
	for _, tc := range []struct {
		name, file string
		want       [3]snapshot.Value
	}{
		{"a quiet node", "0.27 0.28 0.26 5/100 23156\n", [3]snapshot.Value{ok(0.27), ok(0.28), ok(0.26)}},
		{"a busy one", "1024.00 99.99 10.05 5/100 23156\n", [3]snapshot.Value{ok(1024), ok(99.99), ok(10.05)}},
		{"more than there can be tasks", "4194305.00 4194304.00 0.26 5/100 1\n", [3]snapshot.Value{no(snapshot.Impossible), ok(4194304), ok(0.26)}},
		{"empty", "", [3]snapshot.Value{no(snapshot.Truncated), no(snapshot.Truncated), no(snapshot.Truncated)}},
		{"cut", "0.27 0.2", [3]snapshot.Value{ok(0.27), no(snapshot.Truncated), no(snapshot.Truncated)}},
		{"not a number", "0.27 NaN 0.26 5/100 1\n", [3]snapshot.Value{ok(0.27), no(snapshot.Malformed), ok(0.26)}},
		{"negative", "-1.00 1e3 0.26 5/100 1\n", [3]snapshot.Value{no(snapshot.Malformed), no(snapshot.Malformed), ok(0.26)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseLoad([]byte(tc.file)); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestParseMeminfo(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       meminfo
	}{
		{
			"usual",
			"MemTotal:       24684084 kB\nMemFree:        22991240 kB\nMemAvailable:   23701888 kB\nBuffers: 1 kB\n",
			meminfo{total: count(24684084 << 10), available: count(23701888 << 10)},
		},
		{"before 3.14", "MemTotal:       24684084 kB\nMemFree:        22991240 kB\n", meminfo{total: count(24684084 << 10), available: absent(snapshot.NoKey)}},
		{
			"before 3.14, with all that it is made of later",
			"MemTotal: 1000 kB\nMemFree: 300 kB\nActive(file): 80 kB\nInactive(file): 20 kB\nSReclaimable: 40 kB\n",
			meminfo{total: count(1000 << 10), available: count(440 << 10), slab: 40 << 10},
		},
		{"cut", "MemTotal:       24684084 kB\nMemFr", meminfo{total: count(24684084 << 10), available: absent(snapshot.Truncated)}},
		{"no unit", "MemTotal: 24684084\nMemAvailable: 1 kB\n", meminfo{total: absent(snapshot.Malformed), available: count(1 << 10)}},
		{"not a number", "MemTotal: many kB\nMemAvailable: 1 kB\n", meminfo{total: absent(snapshot.Malformed), available: count(1 << 10)}},
		{
			"huge pages and broken ones",
			"MemTotal: 1000 kB\nMemAvailable: 600 kB\nHardwareCorrupted: 8 kB\nHugePages_Total: 3\nHugePages_Free: 1\nHugepagesize: 64 kB\nHugetlb: 256 kB\n",
			meminfo{total: count(1000 << 10), available: count(600 << 10), setAside: (256 + 8) << 10},
		},
		{
			"huge pages before 4.16",
			"MemTotal: 1000 kB\nMemAvailable: 600 kB\nHugePages_Total:       3\nHugepagesize:       64 kB\n",
			meminfo{total: count(1000 << 10), available: count(600 << 10), setAside: 3 * 64 << 10},
		},
		{
			"more huge pages than a number can hold",
			"MemTotal: 1000 kB\nMemAvailable: 600 kB\nHugePages_Total: 8796093022208\nHugepagesize: 2048 kB\n",
			meminfo{total: count(1000 << 10), available: count(600 << 10), setAside: math.MaxUint64 >> 1},
		},
		{"empty", "", meminfo{total: absent(snapshot.Truncated), available: absent(snapshot.Truncated)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseMeminfo([]byte(tc.file), 0); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// What MemAvailable is made of agrees with the kernel's own. Of each of the two
// caches it keeps back all that the kernel keeps free, where the kernel keeps back
// its low watermarks, which are less.
func TestEstimateAvailable(t *testing.T) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip(err)
	}
	kept := reserve("/proc")
	want := parseMeminfo(text, kept)
	got := parseMeminfo(bytes.Replace(text, memKeys[memAvailable], []byte("Other:"), 1), kept)
	if !want.available.OK() || !got.available.OK() {
		t.Skipf("not told here: %+v, %+v", want.available, got.available)
	}
	if d := math.Abs(float64(want.available.N) - float64(got.available.N)); d > 2*float64(kept) {
		t.Errorf("%d, the kernel says %d (it keeps %d)", got.available.N, want.available.N, kept)
	}
}

// Files as a kernel wrote them, with the values read off by eye.
func TestKernelFiles(t *testing.T) {
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got, want := parseStat(read("linux-6.18/stat"), nil), (stat{all: busy(76481, 215585, 59407, 0, 414, 172), cpus: count(2), set: busyTime{why: snapshot.NoKey}}); got != want {
		t.Errorf("stat: %+v, want %+v", got, want)
	}
	if got, want := parseMeminfo(read("linux-6.18/meminfo"), 0), (meminfo{total: count(24684084 << 10), available: count(23576312 << 10), slab: 283476 << 10}); got != want {
		t.Errorf("meminfo: %+v, want %+v", got, want)
	}
	if got, want := parseLoad(read("linux-6.18/loadavg")), [3]snapshot.Value{snapshot.ValueOf(4.80), snapshot.ValueOf(4.07), snapshot.ValueOf(3.04)}; got != want {
		t.Errorf("loadavg: %+v, want %+v", got, want)
	}
	if got, want := parseStat(read("linux-6.1/stat"), nil), (stat{all: busy(96, 0, 172, 0, 3, 0), cpus: count(2), set: busyTime{why: snapshot.NoKey}}); got != want {
		t.Errorf("stat: %+v, want %+v", got, want)
	}
	if got, want := parseMeminfo(read("linux-6.1/meminfo"), 0), (meminfo{total: count(2026024 << 10), available: count(1886200 << 10), slab: 9092 << 10}); got != want {
		t.Errorf("meminfo: %+v, want %+v", got, want)
	}
	if got, want := parseStat(read("linux-6.12/stat"), nil), (stat{all: busy(114, 0, 1414, 0, 61, 0), cpus: count(1), set: busyTime{why: snapshot.NoKey}}); got != want {
		t.Errorf("stat: %+v, want %+v", got, want)
	}
	if got, want := parseMeminfo(read("linux-6.12/meminfo"), 0), (meminfo{total: count(2021004 << 10), available: count(1851784 << 10), slab: 596 << 10}); got != want {
		t.Errorf("meminfo: %+v, want %+v", got, want)
	}
	if got, want := kernel.ParsePSI(read("linux-6.12/pressure-cpu")), (kernel.PSI{SomeMicros: count(13049795), FullMicros: count(0)}); got != want {
		t.Errorf("pressure: %+v, want %+v", got, want)
	}
	if got, want := kernel.ParsePSI(read("linux-6.18/pressure-cpu")), (kernel.PSI{SomeMicros: count(677650129), FullMicros: count(0)}); got != want {
		t.Errorf("pressure: %+v, want %+v", got, want)
	}
}

func FuzzParseHost(f *testing.F) {
	paths, err := filepath.Glob("testdata/linux-*/*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no files of real kernels: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("cpu  12108 17567 11538 1223711 657 0 182 33 0 0\ncpu0 5883 7750 5556 613349 88 0 24 13 0 0\nintr 1\n"))
	f.Add([]byte("0.27 0.28 0.26 5/100 23156\n"))
	f.Add([]byte("MemTotal:       24684084 kB\nMemFree:        22991240 kB\nMemAvailable:   23701888 kB\n"))
	f.Add([]byte("cpu"))
	f.Add([]byte("cpu 1\ncpu"))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, m := parseStat(file, nil), parseMeminfo(file, 0)
		for i, c := range []snapshot.Count{{N: s.all.ticks[0], Why: s.all.why}, s.cpus, m.total, m.available} {
			if c.Why == snapshot.NotRead || !c.OK() && c.N != 0 {
				t.Errorf("%q: reading %d is %+v", file, i, c)
			}
		}
		if s.cpus.OK() && s.cpus.N > uint64(strings.Count(string(file), "cpu")) {
			t.Errorf("%q: %d processors", file, s.cpus.N)
		}
		for _, v := range parseLoad(file) {
			if v.Why == snapshot.NotRead || v.V < 0 {
				t.Errorf("%q: load %+v", file, v)
			}
		}
	})
}
