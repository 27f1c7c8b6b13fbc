package workload

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/prometheus/procfs"
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
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	time.Sleep(window) // its start takes CPU time too
	if low := coresOf(t, cmd); low <= 0 || low > 0.1 {
		t.Errorf("at a load of 0.02 it uses %g", low)
	}
	if err := SetCores(in, 0.4); err != nil {
		t.Fatal(err)
	}
	high := 0.0
	for deadline := time.Now().Add(patience); high <= 0.2 && time.Now().Before(deadline); {
		high = coresOf(t, cmd)
	}
	if high <= 0.2 || high > 0.6 {
		t.Errorf("at a load of 0.4 it uses %g", high)
	}
	if err := in.Close(); err != nil { // its input ends, and so does it
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}

// window is how long use is measured: the kernel counts it in ticks of 10 ms
// for whoever reads /proc.
const window = time.Second

// coresOf is what the process uses.
func coresOf(t *testing.T, cmd *exec.Cmd) float64 {
	t.Helper()
	used := func() float64 {
		p, err := procfs.NewProc(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := p.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return stat.CPUTime()
	}
	before, began := used(), time.Now()
	time.Sleep(window)
	return (used() - before) / time.Since(began).Seconds()
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
