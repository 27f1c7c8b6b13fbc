package tree

import (
	"os"
	"testing"
	"time"
)

// leaveEnv makes the test binary an earlier run: it makes a root with a process
// in it, says where, and waits to be killed.
const leaveEnv = "ESTIMATORD_TEST_LEAVE"

// Containers of these tests run this test binary.
func TestMain(m *testing.M) {
	if os.Getenv(leaveEnv) != "" {
		leave()
	}
	if os.Getenv(delegatedEnv) != "" {
		inDelegated()
	}
	if len(os.Args) == 2 && os.Args[1] == "wait" {
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}
