package agentapi

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// A child of the tests runs as a client of another user, see peer_test.go.
func TestMain(m *testing.M) {
	if socket := os.Getenv(clientEnv); socket != "" {
		os.Exit(clientOfNobody(socket))
	}
	goleak.VerifyTestMain(m)
}
