package throttle

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Some tests end a daemon that this binary is.
func TestMain(m *testing.M) {
	if os.Getenv(mortalEnv) != "" {
		if err := mortal(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getppid() == 1 {
		// In the emulated machine each call takes thirty times as long.
		if err := flag.Set("rapid.checks", "4"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
