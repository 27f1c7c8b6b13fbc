package host_test

import (
	"math"
	"os"
	"path/filepath"
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

// A stat that steps less than the clock's grain cannot show more than all
// processors.
func TestBusyCoresAreAtMostAll(t *testing.T) {
	root := t.TempDir()
	write(t, root, "stat", "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\nintr 1\n")
	read, _ := reader(t, root)
	read(time.Second)
	write(t, root, "stat", "cpu  2 0 0 0 0 0 0 0 0 0\ncpu0 0\nintr 1\n")
	if h := read(15 * time.Millisecond); h.BusyCores != snapshot.ValueOf(1) {
		t.Errorf("%+v, want 1", h.BusyCores)
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
