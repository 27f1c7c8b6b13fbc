package cgrouptest

import (
	"bufio"
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
	if os.Getenv(burnerEnv) != "" {
		burn()
	}
	os.Exit(m.Run())
}

// NewBurner starts a process that holds BurnerBytes and keeps one processor
// busy once it is started. It ends with the test.
func NewBurner(tb testing.TB) (pid int, start func()) {
	tb.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), burnerEnv+"=1", "GOMAXPROCS=1")
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
			tb.Fatalf("burner: %v", err)
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
