package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The commands find the daemon by the settings it was started with: a file, the
// environment, a flag.
func TestCommandsFindTheDaemon(t *testing.T) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "estimatord.yaml"), filepath.Join(dir, "agent.sock")
	write(t, file, "mode: noop\nsocket: "+socket+"\ndecisions: {dir: "+filepath.Join(dir, "decisions")+"}\n")
	p := start(t, "--config", file)
	p.await(t, "offer")

	for name, args := range map[string][]string{
		"status":  {"status", "--config", file},
		"pause":   {"pause", "--config=" + file},
		"resume":  {"resume", "--operator-socket", filepath.Join(dir, "operator.sock")},
		"explain": {"explain", "offer", "--config", file},
	} {
		if out := operate(t, args...); out == "" {
			t.Errorf("%s says nothing", name)
		}
	}
	t.Setenv("ESTIMATORD_CONFIG", file)
	if out := operate(t, "status"); !strings.Contains(out, "mode noop") {
		t.Errorf("by the environment: %s", out)
	}
	t.Setenv("ESTIMATORD_CONFIG", "")
	t.Setenv("ESTIMATORD_SOCKET", socket) // the operator's is beside it
	if out := operate(t, "status"); !strings.Contains(out, "mode noop") {
		t.Errorf("by the environment: %s", out)
	}
	write(t, file, "mode: nope\nsocket: "+socket+"\n") // the daemon runs on with what it had
	if out := operate(t, "status", "--config", file); !strings.Contains(out, "mode noop") {
		t.Errorf("with a fault in the file: %s", out)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	if code, stderr := fails(t, "status", "--config", filepath.Join(dir, "none.yaml")); code != exitUsage || !strings.Contains(stderr, "--config: ") {
		t.Errorf("no such file: exit %d, %s", code, stderr)
	}
	if code, stderr := fails(t, "pause", "--operator-socket=off"); code != exitFailed || !strings.Contains(stderr, "operator_socket is off") {
		t.Errorf("off: exit %d, %s", code, stderr)
	}
}
