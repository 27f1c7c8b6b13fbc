package host_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/host"
)

// reader is a Reader of root on a clock that is moved by hand.
func reader(t *testing.T, root string) (read func(step time.Duration) snapshot.Host, r *host.Reader) {
	t.Helper()
	var mono time.Duration
	r = host.NewReader(root, func() time.Duration { return mono })
	t.Cleanup(r.Close)
	return func(step time.Duration) (h snapshot.Host) {
		mono += step
		r.Read(time.Unix(0, int64(mono)), &h)
		return h
	}, r
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadCopiedProc(t *testing.T) {
	root := t.TempDir()
	write(t, root, "stat", "cpu  100 0 0 900 0 0 0 0 0 0\ncpu0 50 0 0 450 0 0 0 0 0 0\ncpu1 50 0 0 450 0 0 0 0 0 0\nintr 1\n")
	write(t, root, "loadavg", "1.50 0.75 0.25 1/2 3\n")
	write(t, root, "meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n")
	write(t, root, "pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	write(t, root, "pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	read, r := reader(t, root)
	read(time.Second)
	write(t, root, "stat", "cpu  150 10 20 1800 500 10 10 20 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 1\n")
	write(t, root, "pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=401000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	no := snapshot.Value{Why: snapshot.NoFile}
	want := snapshot.Host{
		At:   time.Unix(3, 0),
		CPUs: snapshot.CountOf(2), UsableCPUs: snapshot.ValueOf(2), CapacityFrom: snapshot.CapacityOnline,
		// 120 of 1/100 s in 2 s; the 500 of waiting for I/O are idle.
		BusyCores: snapshot.ValueOf(0.6),
		Load1:     snapshot.ValueOf(1.5), Load5: snapshot.ValueOf(0.75), Load15: snapshot.ValueOf(0.25),
		MemTotalBytes: snapshot.CountOf(1000 << 10), MemAvailableBytes: snapshot.CountOf(600 << 10),
		UsableMemBytes: snapshot.CountOf(1000 << 10), UsableMemAvailableBytes: snapshot.CountOf(600 << 10), MemoryFrom: snapshot.MemoryMachine,
		UsableMemUsedBytes: snapshot.CountOf(400 << 10),
		Pressure: snapshot.Pressure{
			CPUSome: snapshot.ValueOf(0.2), CPUSomeMicros: snapshot.CountOf(401000),
			MemorySome: snapshot.ValueOf(0), MemoryFull: snapshot.ValueOf(0),
			IOSome: no, IOFull: no,
		},
	}
	if diff := cmp.Diff(want, read(2*time.Second)); diff != "" {
		t.Error(diff)
	}
	if r.OpenFiles() != 5 || r.Reads() != 5 {
		t.Errorf("%d descriptors, %d reads; want 5 and 5", r.OpenFiles(), r.Reads())
	}
}

func TestNothingThere(t *testing.T) {
	read, _ := reader(t, t.TempDir())
	read(time.Second)
	h := read(time.Second)
	for name, why := range map[string]snapshot.Absence{
		"CPUs": h.CPUs.Why, "BusyCores": h.BusyCores.Why, "Load5": h.Load5.Why, "MemTotal": h.MemTotalBytes.Why,
		"PSI": h.Pressure.CPUSome.Why, "PSI total": h.Pressure.CPUSomeMicros.Why,
	} {
		if why != snapshot.NoFile {
			t.Errorf("%s: %v, want no_file", name, why)
		}
	}
}

// A column that steps 10 ms at a time shows more than all processors over a short
// time, which is passed on as it is.
func TestBusyCoresWithinTheClocksGrain(t *testing.T) {
	root := t.TempDir()
	write(t, root, "stat", "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\nintr 1\n")
	read, _ := reader(t, root)
	read(time.Second)
	write(t, root, "stat", "cpu  2 0 0 0 0 0 0 0 0 0\ncpu0 0\nintr 1\n")
	if h := read(16 * time.Millisecond); h.BusyCores != snapshot.ValueOf(1.25) {
		t.Errorf("%+v, want 1.25", h.BusyCores)
	}
}

// What the processors cannot have done is absent, in each column, and costs one
// tick; a column that falls for good leaves the others to be read.
func TestBusyTimeThatCannotBe(t *testing.T) {
	first := snapshot.Value{Why: snapshot.FirstSample}
	impossible, backwards, half := snapshot.Value{Why: snapshot.Impossible}, snapshot.Value{Why: snapshot.Backwards}, snapshot.ValueOf(0.5)
	const names = "user nice system idle iowait irq softirq steal guest guest_nice"
	for _, tc := range []struct {
		name  string
		steps []int // what is added to the column in each second
		want  []snapshot.Value
		quiet bool // the column is not busy time
	}{
		{"jumps for good", []int{0, 800_000_000, 0, 0}, []snapshot.Value{half, impossible, half, half}, false},
		{"a spike", []int{0, 800_000_000, -800_000_000, 0}, []snapshot.Value{half, impossible, half, half}, false},
		{"jumps for days", []int{0, 80_000_000, 80_000_000, 80_000_000}, []snapshot.Value{half, impossible, impossible, impossible}, false},
		{"falls for good", []int{0, -800_000_000, 0, 0}, []snapshot.Value{half, backwards, half, half}, false},
		{"falls for days", []int{0, -80_000_000, -80_000_000, -80_000_000}, []snapshot.Value{half, backwards, half, half}, false},
		// Whether it was a jump or was charged late cannot be told after one second.
		{"twice what two processors can do", []int{0, 400, 0, 0}, []snapshot.Value{half, impossible, impossible, half}, false},
		{"is not busy time", []int{800_000_000, -800_000_000, 80_000_000, 0}, []snapshot.Value{half, half, half, half}, true},
	} {
		for column, name := range strings.Fields(names) {
			switch quiet := name == "idle" || name == "iowait" || strings.HasPrefix(name, "guest"); {
			case quiet != tc.quiet:
				continue
			}
			t.Run(name+" "+tc.name, func(t *testing.T) {
				root := t.TempDir()
				n := [10]int{}
				for i := range n {
					n[i] = 1_000_000_000
				}
				stat := func() {
					line := strings.Trim(fmt.Sprint(n), "[]")
					write(t, root, "stat", fmt.Sprintf("cpu  %s\ncpu0 %s\ncpu1 %s\nintr 1\n", line, line, line))
				}
				stat()
				read, _ := reader(t, root)
				if h := read(time.Second); h.BusyCores != first {
					t.Errorf("at first %+v", h.BusyCores)
				}
				user := 0 // the processors are half busy in another column
				if column == 0 {
					user = 2
				}
				for i, step := range tc.steps {
					n[column] += step
					n[user] += 50
					stat()
					h := read(time.Second)
					got := h.BusyCores
					if got.OK() && math.Abs(got.V-tc.want[i].V) < 1e-6 {
						got.V = tc.want[i].V
					}
					if got != tc.want[i] {
						t.Errorf("second %d: %+v, want %+v", i, got, tc.want[i])
					}
				}
			})
		}
	}
}

// /proc/stat outgrows any fixed buffer.
func TestManyProcessors(t *testing.T) {
	for _, n := range []int{1, 448, 896, 1920, 8192} {
		root := t.TempDir()
		stat := func(user int) {
			var b strings.Builder
			fmt.Fprintf(&b, "cpu  %d 0 0 900 0 0 0 0 0 0\n", user)
			for i := range n {
				fmt.Fprintf(&b, "cpu%d 1204887632 331245 97712011 1860211778 4011234 0 1212337 0 0 0\n", i)
			}
			write(t, root, "stat", b.String()+"intr 1\n")
		}
		stat(100)
		read, _ := reader(t, root)
		read(time.Second)
		stat(150)
		h := read(time.Second)
		if h.Usable() != snapshot.ValueOf(float64(n)) || h.BusyCores != snapshot.ValueOf(0.5) {
			t.Errorf("%d processors: %+v usable, %+v busy", n, h.Usable(), h.BusyCores)
		}
	}
}

// All resources of the host's pressure: more than all of the time is impossible.
func TestHostPressureThatCannotBe(t *testing.T) {
	root := t.TempDir()
	set := func(micros int) {
		for _, name := range []string{"cpu", "memory", "io"} {
			line := fmt.Sprintf("avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n", micros)
			write(t, root, "pressure/"+name, "some "+line+"full "+line)
		}
	}
	set(0)
	read, _ := reader(t, root)
	read(time.Second)
	for i, tc := range []struct {
		micros int
		want   snapshot.Value
	}{
		{250_000, snapshot.ValueOf(0.25)},
		{250_000 + 4_294_967, snapshot.Value{Why: snapshot.Impossible}},
		{500_000 + 4_294_967, snapshot.ValueOf(0.25)},
		{0, snapshot.Value{Why: snapshot.Backwards}},
		{250_000, snapshot.ValueOf(0.25)},
	} {
		set(tc.micros)
		p := read(time.Second).Pressure
		for j, got := range []snapshot.Value{p.CPUSome, p.MemorySome, p.MemoryFull, p.IOSome, p.IOFull} {
			if got != tc.want {
				t.Errorf("second %d, reading %d: %+v, want %+v", i, j, got, tc.want)
			}
		}
		if p.CPUSomeMicros.OK() != (tc.want.Why != snapshot.Impossible) {
			t.Errorf("second %d: total %+v", i, p.CPUSomeMicros)
		}
	}
}

// What can never be available leaves the total before shares are taken.
func TestMemorySetAside(t *testing.T) {
	const zone = "Node 0, zone   Normal\n  pages free     100\n        min      10\n        low      20\n        high     30\n        spanned  4000\n        present  4000\n        managed  4000\n        protection: (0, 0, 70)\n"
	page := uint64(os.Getpagesize())
	for _, tc := range []struct {
		name, meminfo, zoneinfo string
		want                    memory
	}{
		{"none", "MemTotal: 1024000 kB\nMemAvailable: 614400 kB\n", "", memory{snapshot.CountOf(1024000 << 10), snapshot.CountOf(614400 << 10), snapshot.MemoryMachine}},
		{"huge pages", "MemTotal: 1024000 kB\nMemAvailable: 100 kB\nHugetlb: 819200 kB\n", "", memory{snapshot.CountOf(204800 << 10), snapshot.CountOf(100 << 10), snapshot.MemoryMachine}},
		{"what the kernel keeps free", "MemTotal: 1024000 kB\nMemAvailable: 614400 kB\n", zone, memory{snapshot.CountOf(1024000<<10 - 100*page), snapshot.CountOf(614400 << 10), snapshot.MemoryMachine}},
		{"which has changed since", "MemTotal: 1024000 kB\nMemAvailable: 1024000 kB\n", zone, memory{snapshot.CountOf(1024000 << 10), snapshot.CountOf(1024000 << 10), snapshot.MemoryMachine}},
		{"no memory at all", "MemTotal: 0 kB\nMemAvailable: 0 kB\n", "", memory{snapshot.Count{Why: snapshot.Impossible}, snapshot.CountOf(0), snapshot.MemoryUnknown}},
		{"more than there is", "MemTotal: 1024000 kB\nMemAvailable: 614400 kB\nHugetlb: 4096000 kB\n", "", memory{snapshot.Count{Why: snapshot.Impossible}, snapshot.CountOf(614400 << 10), snapshot.MemoryUnknown}},
		{"more available than there is", "MemTotal: 1024000 kB\nMemAvailable: 6144000 kB\n", "", memory{snapshot.CountOf(1024000 << 10), snapshot.Count{Why: snapshot.Impossible}, snapshot.MemoryMachine}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "meminfo", tc.meminfo)
			if tc.zoneinfo != "" {
				write(t, root, "zoneinfo", tc.zoneinfo)
			}
			read, _ := reader(t, root)
			h := read(time.Second)
			if got := (memory{h.UsableMemBytes, h.UsableMemAvailableBytes, h.MemoryFrom}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// The kernel's own files, read twice around procfs, which is the oracle.
func TestAgreesWithProcfs(t *testing.T) {
	fs, err := procfs.NewFS("/proc")
	if err != nil {
		t.Skipf("no procfs: %v", err)
	}
	read, _ := reader(t, "/proc")
	before := read(time.Second)
	stat, err := fs.Stat()
	if err != nil {
		t.Fatal(err)
	}
	load, err := fs.LoadAvg()
	if err != nil {
		t.Fatal(err)
	}
	mem, err := fs.Meminfo()
	if err != nil {
		t.Fatal(err)
	}
	psi, psiErr := fs.PSIStatsForResource("cpu")
	after := read(time.Second)

	if before.CPUs != after.CPUs {
		t.Skip("a processor came or went meanwhile")
	}
	if got, want := before.CPUs, snapshot.CountOf(uint64(len(stat.CPU))); got != want {
		t.Errorf("processors: %+v, procfs says %+v", got, want)
	}
	if got, want := before.MemTotalBytes, snapshot.CountOf(*mem.MemTotal<<10); got != want {
		t.Errorf("memory: %+v, procfs says %+v", got, want)
	}
	within(t, "available memory", float64(*mem.MemAvailable<<10),
		float64(before.MemAvailableBytes.N), float64(after.MemAvailableBytes.N), float64(before.MemTotalBytes.N)/20)
	within(t, "load1", load.Load1, before.Load1.V, after.Load1.V, 0.01)
	within(t, "load15", load.Load15, before.Load15.V, after.Load15.V, 0.01)
	if psiErr != nil {
		if before.Pressure.CPUSomeMicros.Why != snapshot.NoFile {
			t.Errorf("procfs has no pressure (%v), we have %+v", psiErr, before.Pressure)
		}
		return
	}
	within(t, "cpu pressure", float64(psi.Some.Total),
		float64(before.Pressure.CPUSomeMicros.N), float64(after.Pressure.CPUSomeMicros.N), 0)
}

// within fails unless v lies between two readings, with a tolerance for what
// may go up and down between them.
func within(t *testing.T, what string, v, before, after, tolerance float64) {
	t.Helper()
	if v < min(before, after)-tolerance || v > max(before, after)+tolerance || math.IsNaN(v) {
		t.Errorf("%s: %v is not between %v and %v", what, v, before, after)
	}
}

// What we add up as busy grows as procfs's columns do.
func TestBusyCoresAgreeWithProcfs(t *testing.T) {
	fs, err := procfs.NewFS("/proc")
	if err != nil {
		t.Skipf("no procfs: %v", err)
	}
	busy := func() float64 {
		s, err := fs.Stat()
		if err != nil {
			t.Fatal(err)
		}
		c := s.CPUTotal
		return c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
	}
	read, _ := reader(t, "/proc")
	outer0 := busy()
	read(time.Second)
	inner0 := busy()
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; { // burn, so that there is something to see
	}
	inner1 := busy()
	// On a clock of our own the rate is the growth itself, in 1/1000.
	h := read(1000 * time.Second)
	outer1 := busy()
	if !h.BusyCores.OK() {
		t.Fatalf("%+v", h.BusyCores)
	}
	const grain = 1e-6
	if got := h.BusyCores.V * 1000; got < inner1-inner0-grain || got > outer1-outer0+grain {
		t.Errorf("%v s busy, procfs says between %v and %v", got, inner1-inner0, outer1-outer0)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	read, _ := reader(t, "/proc")
	read(time.Second)
	if got := testing.AllocsPerRun(20, func() { read(time.Second) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkRead(b *testing.B) {
	start := time.Now()
	r := host.NewReader("/proc", func() time.Duration { return time.Since(start) })
	defer r.Close()
	var h snapshot.Host
	b.ReportAllocs()
	for b.Loop() {
		r.Read(start, &h)
	}
}

// BenchmarkProcfs reads the same with prometheus/procfs.
func BenchmarkProcfs(b *testing.B) {
	fs, err := procfs.NewFS("/proc")
	if err != nil {
		b.Skipf("no procfs: %v", err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err1 := fs.Stat()
		_, err2 := fs.LoadAvg()
		_, err3 := fs.Meminfo()
		if err1 != nil || err2 != nil || err3 != nil {
			b.Fatal(err1, err2, err3)
		}
		for _, what := range []string{"cpu", "memory", "io"} {
			if _, err := fs.PSIStatsForResource(what); err != nil {
				b.Skipf("no pressure: %v", err)
			}
		}
	}
}
