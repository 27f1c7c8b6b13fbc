package fakeagent

import (
	"fmt"
	"os"
	"testing"
)

// The tasks of these tests are this same test binary.
func TestMain(m *testing.M) {
	if child, err := Child(); child {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
