package workload

import (
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if Is() {
		if err := Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must come; it only runs out on
// failure.
const patience = 60 * time.Second

func TestServiceFollowsItsLoad(t *testing.T) {
	cmd, err := Service(0.02, 0.4)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Drive(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); d.Read() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	low := awaitReport(t, d, time.Now(), func(Report) bool { return true })
	if low.Asked <= 0 || low.Asked > 0.1 || low.Achieved > low.Asked || low.Wall <= 0 {
		t.Errorf("at a load of 0.02 the report is %+v", low)
	}
	if err := d.SetCores(0.4); err != nil {
		t.Fatal(err)
	}
	high := awaitReport(t, d, time.Now(), func(r Report) bool { return r.Asked > 0.2 })
	if high.Achieved <= 0 || high.Asked > 0.6 {
		t.Errorf("at a load of 0.4 the report is %+v", high)
	}
	if sum, ok := d.Between(high.At.Add(-high.Wall), high.At); !ok || math.Abs(sum.Asked-high.Asked) > 1e-9 || sum.Wall != high.Wall {
		t.Errorf("the sum over one report is %+v, %t, want %+v", sum, ok, high)
	}
	if _, ok := d.Between(high.At.Add(time.Hour), high.At.Add(2*time.Hour)); ok {
		t.Error("there are reports from the future")
	}
	if err := d.in.Close(); err != nil { // its input ends, and so does it
		t.Fatal(err)
	}
	<-read
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}

func awaitReport(t *testing.T, d *Driver, after time.Time, match func(Report) bool) Report {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r, ok := d.Last(); ok && r.At.After(after) && match(r) {
			return r
		}
	}
	last, _ := d.Last()
	t.Fatalf("no such report within %s, the last is %+v: %v", patience, last, d.Err())
	return Report{}
}

func TestServiceRefusesNonsense(t *testing.T) {
	cmd, err := Service(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(in, "more!"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the service took nonsense")
	}
}

func TestBurnStopsAtDueTime(t *testing.T) {
	if used := burn(time.Hour, time.Now()); used > time.Second {
		t.Errorf("burned %s after the time was over", used)
	}
	if used := burn(time.Millisecond, time.Now().Add(patience)); used < time.Millisecond {
		t.Errorf("burned %s, want 1ms", used)
	}
}

func TestParseCores(t *testing.T) {
	for in, want := range map[string]float64{"cores 1.5": 1.5, "cores 0\n": 0, " cores 4096 ": 4096} {
		if got, err := parseCores(in); err != nil || got != want {
			t.Errorf("parseCores(%q) = %g, %v, want %g", in, got, err, want)
		}
	}
}

func FuzzParseCores(f *testing.F) {
	for _, in := range []string{"", "cores", "cores ", "cores x", "cores -1", "cores NaN", "cores 1e9", "cores 1 2", "core 1", "cores 1.5"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := parseCores(in)
		if err != nil && !errors.Is(err, errProtocol) {
			t.Errorf("parseCores(%q) fails with %v", in, err)
		}
		if !(got >= 0 && got <= maxCores) {
			t.Errorf("parseCores(%q) = %g", in, got)
		}
	})
}

func TestParseReport(t *testing.T) {
	at := time.Unix(1, 0)
	line := formatReport(250*time.Millisecond, 100*time.Millisecond, 25*time.Millisecond)
	got, err := parseReport(line, at)
	want := Report{At: at, Wall: 250 * time.Millisecond, Asked: 0.5, Achieved: 0.4}
	if err != nil || got != want {
		t.Errorf("parseReport(%q) = %+v, %v, want %+v", line, got, err, want)
	}
	for _, in := range []string{"", "wall 0 achieved 1 dropped 1", "wall 1 achieved -1 dropped 0", "wall 1 achieved 1", "wall x achieved 1 dropped 1"} {
		if got, err := parseReport(in, at); !errors.Is(err, errProtocol) {
			t.Errorf("parseReport(%q) = %+v, %v, want errProtocol", in, got, err)
		}
	}
}
