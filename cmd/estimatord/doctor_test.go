package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// examined runs estimatord doctor --json and returns its codes and its exit code.
func examined(t *testing.T, args ...string) (codes []string, exit int) {
	t.Helper()
	cmd := command(t, append([]string{"doctor", "--json"}, args...)...)
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	var report struct{ Findings []struct{ Code string } }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, f := range report.Findings {
		codes = append(codes, f.Code)
	}
	return codes, cmd.ProcessState.ExitCode()
}

// agentWithoutQoSModule is the API of an agent with these containers, which kills
// them.
func agentWithoutQoSModule(t *testing.T, h *hogs) (url string, kills <-chan string) {
	t.Helper()
	killed := make(chan string, 10)
	containers := "["
	for id := range h.containers {
		containers += fmt.Sprintf(`{"container_id":{"value":%q},"framework_id":{"value":"f"},"executor_id":{"value":%q}},`, id, id)
	}
	containers = strings.TrimSuffix(containers, ",") + "]"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Type string
			Kill struct {
				ID struct{ Value string } `json:"container_id"`
			} `json:"kill_container"`
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Errorf("request: %v", err)
		}
		switch call.Type {
		case "GET_VERSION":
			_, _ = fmt.Fprint(w, `{"get_version":{"version_info":{"version":"1.12.0"}}}`)
		case "GET_FLAGS":
			_, _ = fmt.Fprint(w, `{"get_flags":{"flags":[{"name":"resource_estimator","value":"org_estimatord_ResourceEstimator"},{"name":"containerizers","value":"docker,mesos"}]}}`)
		case "GET_FRAMEWORKS":
			_, _ = fmt.Fprint(w, `{"get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"f"},"name":"batch"}}]}}`)
		case "GET_CONTAINERS":
			_, _ = fmt.Fprintf(w, `{"get_containers":{"containers":%s}}`, containers)
		case "KILL_CONTAINER":
			killed <- call.Kill.ID.Value
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, killed
}

// Where the agent has no QoS module, kills go to its API, if that is wanted; and
// frameworks have names.
func TestKillsThroughTheAgentsAPI(t *testing.T) {
	h := newHogs(t, "hog-1")
	url, kills := agentWithoutQoSModule(t, h)
	dir := t.TempDir()
	policy, socket := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "agent.sock")
	write(t, policy, "rules:\n  - {name: load, signal: load15, above: 0.0001, for: 0s, immediate: true}\n")
	t.Setenv("ESTIMATORD_AGENT_URL", url)
	t.Setenv("ESTIMATORD_KILL_VIA_AGENT_API", "true")
	d := start(t, "--mode=noop", "--policy", policy, "--socket", socket, "--interval=100ms", "--mesos-cgroups-root", h.tree.Root())
	d.await(t, "the agent's API is read")
	client := dial(t, socket)
	deadline := time.After(30 * time.Second)
	for {
		if _, err := client.Estimate(t.Context(), &agentv1.EstimateRequest{Usage: h.usage()}); err != nil {
			t.Fatal(err)
		}
		select {
		case id := <-kills:
			if id != "hog-1" {
				t.Errorf("killed %q", id)
			}
			status := operate(t, "status", "--json", "--operator-socket", filepath.Join(dir, "operator.sock"))
			if !strings.Contains(status, `"framework_name": "batch"`) && !strings.Contains(status, `"framework_name":"batch"`) {
				t.Errorf("the framework has no name:\n%s", status)
			}
			codes, exit := examined(t, "--operator-socket", filepath.Join(dir, "operator.sock"))
			if exit < exitDoctorWarning || !slices.Contains(codes, "docker_containerizer") || slices.Contains(codes, "settings_changed") {
				t.Errorf("doctor found %q, exit code %d", codes, exit)
			}
			return
		case <-deadline:
			t.Fatal("nothing is killed")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func TestDoctorWithoutADaemon(t *testing.T) {
	codes, exit := examined(t, "--operator-socket", filepath.Join(t.TempDir(), "none.sock"))
	if exit != exitDoctorError || !slices.Contains(codes, "daemon_down") {
		t.Errorf("found %q, exit code %d", codes, exit)
	}
	for _, args := range [][]string{{"doctor", "now"}, {"doctor", "--nope"}} {
		var stderr bytes.Buffer
		cmd := command(t, args...)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitUsage || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: exit code %d, %s", args, cmd.ProcessState.ExitCode(), stderr.String())
		}
	}
	codes, exit = examined(t, "--agent-url", "ftp://nowhere", "--mode", "fxed")
	if exit != exitDoctorError || !slices.Contains(codes, "agent_answer") || !slices.Contains(codes, "settings_refused") {
		t.Errorf("found %q, exit code %d", codes, exit)
	}
}
