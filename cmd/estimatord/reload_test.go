package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// metricsAt is what the daemon says at address.
func metricsAt(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePolicyIsReloaded(t *testing.T) {
	dir := t.TempDir()
	settings, policy := filepath.Join(dir, "estimatord.yaml"), filepath.Join(dir, "policy.yaml")
	write(t, settings, "policy: policy.yaml\nmode: noop\nmesos_cgroups_root: estimatord-no-such-agent\n")
	write(t, policy, "rules:\n  - {name: one, signal: node_cpu}\n")
	p := start(t, "--config", settings, "--socket", filepath.Join(dir, "agent.sock"))
	address, _ := p.await(t, "metrics")["listen"].(string)
	first := p.await(t, "policy")
	p.await(t, "offer")

	p.signal(t, syscall.SIGHUP)
	p.await(t, "policy is unchanged")
	p.await(t, "reloaded")

	write(t, policy, "rules:\n  - {name: one, signal: node_cpus}\n")
	line := p.await(t, "policy refused, the one in force stays")
	if err, _ := line["err"].(string); !strings.Contains(err, "policy.yaml:2:25: rules[0].signal: ") || line["hash_in_force"] != first["hash"] {
		t.Errorf("refused with %v", line)
	}
	if text := metricsAt(t, address); !strings.Contains(text, "\nestimatord_policy_last_reload_successful 0\n") {
		t.Error("the metrics do not tell that the file is bad")
	}

	write(t, policy, "rules:\n  - {name: two, signal: node_cpu, above: 0.9}\n")
	line = p.await(t, "policy replaced")
	if line["hash"] == first["hash"] || line["hash"] == "" {
		t.Errorf("replaced: %v; first %v", line, first)
	}
	text := metricsAt(t, address)
	for _, want := range []string{`estimatord_policy_info{hash="` + line["hash"].(string) + `"} 1`, "\nestimatord_policy_last_reload_successful 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}

	write(t, settings, "policy: policy.yaml\nmode: noop\nmesos_cgroups_root: other\nlog_level: warn\n")
	p.signal(t, syscall.SIGHUP)
	if line = p.await(t, "settings have changed, they need a restart"); line["keys"] != "mesos_cgroups_root,log_level" {
		t.Errorf("settings: %v", line)
	}
	p.await(t, "reloaded")
	write(t, settings, "mode: nope\n")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "the settings would be refused at the next start")
	p.await(t, "not reloaded")

	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSIGHUPWithoutAPolicy(t *testing.T) {
	p := start(t, "--mode=noop", "--socket", filepath.Join(t.TempDir(), "agent.sock"))
	p.await(t, "offer")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "reloaded")
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
