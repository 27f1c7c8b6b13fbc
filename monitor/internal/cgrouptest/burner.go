package cgrouptest

import (
	"fmt"
	"os"
	"testing"

	"github.com/estimatord/estimatord/internal/fakeagent/workload"
)

// BurnerBytes is the anonymous memory that a started burner holds.
const BurnerBytes = workload.BurnerBytes

// Main is a package's TestMain: the tests, or a workload in a child process.
func Main(m *testing.M) {
	if workload.Is() {
		if err := workload.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// NewBurner starts a workload.StartBurner, which ends with the test.
func NewBurner(tb testing.TB) (pid int, start func()) {
	tb.Helper()
	return stepper(tb, workload.StartBurner)
}

// NewToucher starts a workload.StartToucher, which ends with the test.
func NewToucher(tb testing.TB) (pid int, touch func()) {
	tb.Helper()
	return stepper(tb, workload.StartToucher)
}

func stepper(tb testing.TB, start func() (*workload.Stepper, error)) (pid int, step func()) {
	tb.Helper()
	s, err := start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s.Pid(), func() {
		if err := s.Step(); err != nil {
			tb.Fatal(err)
		}
	}
}
