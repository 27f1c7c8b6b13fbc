package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/replay"
)

// What a real daemon on this machine's kernel recorded leads to the decisions
// that it logged, byte for byte.
func TestDecisionsOfADaemonReplayByteForByte(t *testing.T) {
	dir := t.TempDir()
	socket, recording, decisions := filepath.Join(dir, "agent.sock"), filepath.Join(dir, "recording"), filepath.Join(dir, "decisions")
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte("rules:\n- {name: busy, signal: node_cpu, above: 0.9}\n- {name: loaded, signal: load5, above: 0.01, action: stop_offering}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "estimatord.yaml")
	settings := "mode: usage\npolicy: policy.yaml\ninterval: 100ms\nstate_file: " + filepath.Join(dir, "state") + "\ndecisions: {dir: " + decisions + "}\nrecording: {dir: " + recording + "}\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second goes on from what the first has learned
		p := start(t, "--socket", socket, "--config", config)
		p.await(t, "offer")
		before := logged(t, decisions)
		if _, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin")); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); logged(t, decisions) < before+20; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the decisions are not logged")
			}
		}
		if code := p.stop(t); code != 0 {
			t.Fatalf("exit code %d, want 0", code)
		}
	}
	args := []string{"replay", "decisions", "--decisions", decisions, "--recording", recording, "--config", config}
	out, err := command(t, args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "of 2 starts decided again") || !strings.Contains(string(out), "; 0 are not in the log, 0 lines could not") {
		t.Errorf("%v: %s", err, out)
	}
	// The same with other settings comes out otherwise.
	code, stderr := fails(t, append(args, "--mode=fixed", "--resources=cpus:1")...)
	if code != exitFailed || !strings.Contains(stderr, "the decisions came out otherwise: tick 1 at") {
		t.Errorf("with another mode: exit %d, %s", code, stderr)
	}
}

// A comparison of nothing is no success.
func TestNothingComparedIsAnError(t *testing.T) {
	var out bytes.Buffer
	if err := compared(&out, &replay.DecisionsReport{Unrecorded: 6}); !errors.Is(err, errNotCompared) {
		t.Errorf("6 lines without a recording: %v", err)
	}
	if err := compared(&out, &replay.DecisionsReport{Starts: 1, Ticks: 2, Same: 2}); err != nil {
		t.Errorf("all the same: %v", err)
	}
}

func logged(t *testing.T, dir string) (n int) {
	t.Helper()
	r, err := decisionlog.Open(dir)
	if err != nil {
		return 0
	}
	for range r.All() {
		n++
	}
	return n
}
