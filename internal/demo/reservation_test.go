package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestReservation tells the story of a reservation with the real daemon on real
// containers.
func TestReservation(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute, and -short was asked for")
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	result, err := Run(t.Context(), Config{Out: &out, Story: StoryReservation, Patience: calm, Daemon: []string{daemonBinary(t)}})
	if errors.Is(err, ErrCannotRun) {
		t.Skip(err)
	}
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	if !result.OK() || len(result.Times) != 4 {
		t.Errorf("the story did not come out: %v", result.Times)
	}
	if !strings.Contains(out.String(), "Rule reservation_kill") {
		t.Error("the kill was not explained")
	}
	requireNoRoot(t, out.String())
}
