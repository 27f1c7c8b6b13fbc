package cgrouptest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// burnerEnv makes a test binary that calls Main a burner.
const burnerEnv = "ESTIMATORD_TEST_BURNER"

// BurnerBytes is the anonymous memory that a started burner holds.
const BurnerBytes = 32 << 20

// Main is a package's TestMain: the tests, or a burner in a child process.
func Main(m *testing.M) {
	switch os.Getenv(burnerEnv) {
	case "burn":
		burn()
	case "touch":
		touch()
	}
	os.Exit(m.Run())
}

// NewBurner starts a process that holds BurnerBytes and keeps one processor
// busy once it is started. It ends with the test.
func NewBurner(tb testing.TB) (pid int, start func()) {
	tb.Helper()
	return helper(tb, "burn")
}

// NewToucher starts a process that touches 1 MiB more of memory each time it is
// asked to. Moved through many containers, it leaves memory and CPU time of its
// own in each of them, as a process of their own would, for the price of one.
func NewToucher(tb testing.TB) (pid int, touch func()) {
	tb.Helper()
	return helper(tb, "touch")
}

// helper runs the test binary as something else. ask sends it a line and waits
// for one.
func helper(tb testing.TB, what string) (pid int, ask func()) {
	tb.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), burnerEnv+"="+what, "GOMAXPROCS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	lines := bufio.NewReader(out)
	return cmd.Process.Pid, func() {
		if _, err := in.Write([]byte("go\n")); err != nil {
			tb.Fatal(err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			tb.Fatalf("%s helper: %v", what, err)
		}
	}
}

// burn waits for a line, touches its memory, says so, and spins.
func burn() {
	runtime.LockOSThread()
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		os.Exit(1)
	}
	memory := make([]byte, BurnerBytes)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	os.Stdout.WriteString("burning\n") //nolint:errcheck // the parent sees it
	for n := 0; ; n++ {
		memory[n%len(memory)]++
	}
}

// touch touches a MiB for each line.
func touch() {
	memory := make([][]byte, 0, 1<<14)
	for lines := bufio.NewReader(os.Stdin); ; {
		if _, err := lines.ReadString('\n'); err != nil {
			os.Exit(1)
		}
		chunk := make([]byte, 1<<20)
		for i := 0; i < len(chunk); i += 4096 {
			chunk[i] = 1
		}
		memory = append(memory, chunk)
		if _, err := fmt.Fprintln(os.Stdout, "touched", len(memory)); err != nil {
			os.Exit(1)
		}
	}
}
