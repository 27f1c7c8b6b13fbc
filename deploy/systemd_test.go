package deploy_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	configDir = "/etc/estimatord"
	unit      = "estimatord.service"
)

// run runs a command as the operator does and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// property is one of the unit, as systemd sees it.
func property(t *testing.T, name string) string {
	t.Helper()
	return run(t, "systemctl", "show", "--value", "--property="+name, unit)
}

func mainPID(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(property(t, "MainPID"))
	if err != nil || pid == 0 {
		t.Fatalf("the unit has no process: %d, err %v", pid, err)
	}
	return pid
}

func absent(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}

// The life of the packages on a node whose init is systemd, in order.
// internal/systemdvm/run makes that node.
func TestSystemd(t *testing.T) {
	guest := os.Getenv("ESTIMATORD_GUEST")
	if guest == "" {
		t.Skip("only in the guest of internal/systemdvm/run")
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--no-pager", "-u", unit, "-n", "60").CombinedOutput()
			t.Logf("%s", out)
		}
	})
	n := newNode(t, "/run/estimatord/agent.sock")

	run(t, "dpkg", "-i", filepath.Join(guest, "old.deb"))
	if state := property(t, "ActiveState"); state != "inactive" {
		t.Fatalf("installing has started the daemon: %s", state)
	}
	n.configure(t, configDir)
	run(t, "systemctl", "enable", "--now", unit) // waits for readiness: Type=notify
	if state, status := property(t, "ActiveState"), property(t, "StatusText"); state != "active" {
		t.Fatalf("the unit is %s: %s", state, status)
	}
	if text := run(t, "estimatord", "status"); !strings.Contains(text, "any-load") {
		t.Errorf("status does not name the rule:\n%s", text)
	}
	n.launchBoth(t)
	n.awaitThrottled(t, true)
	t.Log("step: throttled a revocable container")

	exposure(t)
	reload(t)
	t.Log("step: reloaded")

	// A daemon that hangs is bitten by the watchdog; what it had throttled is undone
	// by the next one first, which then throttles anew.
	before := mainPID(t)
	write(t, filepath.Join(configDir, "policy.yaml"), strings.Replace(throttling, "{", "{shadow: true, ", 1))
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the watchdog bites", func() error {
		if now, state := property(t, "MainPID"), property(t, "ActiveState"); now == "0" || now == strconv.Itoa(before) || state != "active" {
			return fmt.Errorf("the process is %s, it was %d; the unit is %s", now, before, state)
		}
		return nil
	})
	if n := property(t, "NRestarts"); n != "1" {
		t.Errorf("%s restarts, want 1", n)
	}
	n.awaitThrottled(t, false)
	t.Log("step: bitten by the watchdog, throttles undone")

	// From here on the rule is in force again.
	write(t, filepath.Join(configDir, "policy.yaml"), throttling)
	run(t, "systemctl", "reload", unit)
	n.awaitThrottled(t, true)
	before = mainPID(t)
	run(t, "dpkg", "--force-confold", "-i", filepath.Join(guest, "new.deb"))
	if now := mainPID(t); now == before || property(t, "ActiveState") != "active" {
		t.Errorf("the upgrade did not restart the daemon: %d, it was %d", now, before)
	}
	if old, now := "0.0.1", run(t, "estimatord", "version"); strings.Contains(now, old) {
		t.Errorf("upgraded from %s to %s", old, now)
	}
	if text, err := os.ReadFile(filepath.Join(configDir, "policy.yaml")); err != nil || string(text) != throttling {
		t.Errorf("the upgrade changed the policy: %q, err %v", text, err)
	}
	n.awaitThrottled(t, true)
	t.Log("step: upgraded")

	scrape(t, n, filepath.Join(guest, "busybox"))
	t.Log("step: scraped from elsewhere")

	run(t, "systemctl", "stop", unit)
	n.awaitThrottled(t, false)
	if result := property(t, "Result"); result != "success" {
		t.Errorf("it stopped with %s", result)
	}
	run(t, "systemctl", "start", unit)
	n.awaitThrottled(t, true)
	t.Log("step: stopped and started")

	write(t, filepath.Join(configDir, "notes"), "the operator's own\n")
	run(t, "dpkg", "-r", "estimatord")
	n.awaitThrottled(t, false)
	if text, err := os.ReadFile(filepath.Join(configDir, "policy.yaml")); err != nil || string(text) != throttling {
		t.Errorf("the removal took the configuration: %q, err %v", text, err)
	}
	run(t, "dpkg", "--purge", "estimatord")
	if _, err := os.Stat(filepath.Join(configDir, "notes")); err != nil {
		t.Errorf("the purge took a file of the operator's: %v", err)
	}
	if err := os.RemoveAll(configDir); err != nil {
		t.Fatal(err)
	}
	leftovers(t)
}

// exposure asks systemd how well the unit is locked in: 0 is best, 10 is not at all.
func exposure(t *testing.T) {
	t.Helper()
	text := run(t, "systemd-analyze", "security", "--no-pager", unit)
	_, overall, ok := strings.Cut(text, "Overall exposure level for "+unit+": ")
	level, err := strconv.ParseFloat(strings.Fields(overall + " ?")[0], 64)
	t.Logf("step: exposure %v", level)
	if !ok || err != nil || level > 2 {
		t.Errorf("the exposure is %v (err %v), want 2.0 at most:\n%s", level, err, text)
	}
}

// reload changes the policy for a good and for a bad one.
func reload(t *testing.T) {
	t.Helper()
	policy := filepath.Join(configDir, "policy.yaml")
	write(t, policy, strings.Replace(throttling, "any-load", "renamed", 1))
	run(t, "systemctl", "reload", unit)
	eventually(t, "the new policy is in force", func() error {
		if text := run(t, "estimatord", "status"); !strings.Contains(text, "renamed") {
			return fmt.Errorf("status:\n%s", text)
		}
		return nil
	})
	write(t, policy, "rules: [\n")
	if out, err := exec.Command("systemctl", "reload", unit).CombinedOutput(); err == nil {
		t.Errorf("a policy with a fault was reloaded: %s", out)
	}
	if state := property(t, "ActiveState"); state != "active" {
		t.Errorf("after a refused reload the unit is %s", state)
	}
	if text := run(t, "estimatord", "status"); !strings.Contains(text, "renamed") {
		t.Errorf("a refused reload changed the policy:\n%s", text)
	}
	write(t, policy, throttling)
	run(t, "systemctl", "reload", unit)
}

// scrape reads the metrics from an address that is not loopback's: not before the
// drop-in of docs/install.md.
func scrape(t *testing.T, n *node, busybox string) {
	t.Helper()
	const address = "192.0.2.1"
	run(t, busybox, "ip", "address", "add", address+"/32", "dev", "lo")
	write(t, filepath.Join(configDir, "estimatord.yaml"), n.settings()+"listen: "+address+":9742\nlisten_insecure: true\n")
	run(t, "systemctl", "restart", unit)
	get := func() error {
		client := &http.Client{Timeout: 5 * time.Second}
		resp, err := client.Get("http://" + address + ":9742/metrics")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if get() == nil {
		t.Error("the metrics are read from elsewhere, though the unit denies it")
	}
	dir := "/etc/systemd/system/" + unit + ".d"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "scrape.conf"), "[Service]\nIPAddressAllow=192.0.2.0/24\n")
	run(t, "systemctl", "daemon-reload")
	eventually(t, "the metrics are read with the drop-in", get)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	run(t, "systemctl", "daemon-reload")
	n.configure(t, configDir)
	run(t, "systemctl", "restart", unit)
	n.awaitThrottled(t, true)
}

// leftovers finds whatever is still there of the package and its daemon.
func leftovers(t *testing.T) {
	t.Helper()
	absent(t, "/usr/bin/estimatord", "/usr/lib/systemd/system/"+unit, "/run/estimatord", "/var/lib/estimatord",
		"/var/lib/private/estimatord", "/etc/systemd/system/multi-user.target.wants/"+unit)
	for _, dir := range []string{"/etc", "/usr", "/var", "/run"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.Contains(filepath.Base(path), "estimatord") {
				t.Errorf("%s is left", path)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
