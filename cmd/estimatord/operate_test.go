package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/control"
)

// operate runs a command of the operator and returns its output.
func operate(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := command(t, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("estimatord %s: %v; stderr:\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func TestOperatorCommands(t *testing.T) {
	dir := t.TempDir()
	policy, socket := filepath.Join(dir, "policy.yaml"), "--operator-socket="+filepath.Join(dir, "operator.sock")
	write(t, policy, "rules:\n  - {name: one, signal: node_cpu}\n")
	p := start(t, "--mode=fixed", "--resources=cpus:4", "--policy", policy, "--socket", filepath.Join(dir, "agent.sock"),
		"--mesos-cgroups-root", "estimatord-no-such-agent")
	p.await(t, "offer")

	text := operate(t, "status", socket)
	for _, want := range []string{"mode fixed", policy, "OFFERED", "node_cpu", "unknown"} {
		if !strings.Contains(text, want) {
			t.Errorf("status lacks %q:\n%s", want, text)
		}
	}
	var st control.Status
	if err := json.Unmarshal([]byte(operate(t, "status", "--json", socket)), &st); err != nil {
		t.Fatal(err)
	}
	if st.Daemon.PID != p.cmd.Process.Pid || !st.Daemon.PausedSince.IsZero() || len(st.Tick.Offer.Resources) != 1 || st.Tick.Offer.Resources[0].Offered != 4000 {
		t.Errorf("status %+v, want pid %d, 4 cpus", st, p.cmd.Process.Pid)
	}

	if out := operate(t, "budget", "reset", socket); !strings.Contains(out, "0 kills forgotten") {
		t.Errorf("budget reset: %s", out)
	}
	if out := operate(t, "pause", socket); !strings.HasPrefix(out, "paused") {
		t.Errorf("pause: %s", out)
	}
	if line := p.await(t, "offer"); line["offered"] != "0" || line["why"] != "paused" {
		t.Errorf("paused: offer %v", line)
	}
	if out := operate(t, "status", socket); !strings.Contains(out, "Paused by an operator") {
		t.Errorf("status while paused:\n%s", out)
	}
	if out := operate(t, "resume", socket); !strings.HasPrefix(out, "resumed") {
		t.Errorf("resume: %s", out)
	}
	if line := p.await(t, "offer"); line["offered"] != "4" {
		t.Errorf("resumed: offer %v", line)
	}

	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(filepath.Join(dir, "operator.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	code, stderr := fails(t, "status", socket)
	if code != exitFailed || !strings.Contains(stderr, "no daemon answers") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("without a daemon: exit %d, %q", code, stderr)
	}
}

// A pause that only resume ends outlasts a restart.
func TestAPauseOutlastsARestart(t *testing.T) {
	dir := t.TempDir()
	socket := "--operator-socket=" + filepath.Join(dir, "operator.sock")
	t.Setenv("ESTIMATORD_STATE_FILE", filepath.Join(dir, "state.json"))
	args := []string{"--mode=fixed", "--resources=cpus:4", "--socket", filepath.Join(dir, "agent.sock"), "--mesos-cgroups-root", "estimatord-no-such-agent"}
	p := start(t, args...)
	p.await(t, "offer")
	if out := operate(t, "pause", "--until-resumed", socket); !strings.HasPrefix(out, "paused from the next tick on, until resume\n") {
		t.Errorf("pause: %s", out)
	}
	p.await(t, "offer")
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}

	p = start(t, args...)
	if line := p.await(t, "offer"); line["offered"] != "0" || line["why"] != "paused" {
		t.Errorf("after a restart: offer %v", line)
	}
	if out := operate(t, "status", socket); !strings.Contains(out, "Paused by an operator") || !strings.Contains(out, "until resume:") {
		t.Errorf("status after a restart:\n%s", out)
	}
	operate(t, "resume", socket)
	if line := p.await(t, "offer"); line["offered"] != "4" {
		t.Errorf("resumed: offer %v", line)
	}
	if code, stderr := fails(t, "pause", "--for=2h", "--until-resumed", socket); code == 0 || !strings.Contains(stderr, "until-resumed") {
		t.Errorf("both at once: exit %d, %s", code, stderr)
	}
	if code, stderr := fails(t, "pause", "--for=-2h", socket); code != exitUsage || !strings.Contains(stderr, "--for") {
		t.Errorf("backwards: exit %d, %s", code, stderr)
	}
}

func TestOperatorSocketOff(t *testing.T) {
	dir := t.TempDir()
	cmd := filepath.Join(dir, "operator.sock")
	p := start(t, "--mode=noop", "--operator-socket=off", "--socket", filepath.Join(dir, "agent.sock"))
	p.await(t, "offer")
	if _, err := os.Lstat(cmd); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a socket: %v", err)
	}
	var exit *exec.ExitError
	if err := command(t, "pause", "--operator-socket", cmd).Run(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("pause: %v", err)
	}
}
