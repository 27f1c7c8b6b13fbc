package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// asDaemon makes this test binary the real program: what is tested is what an
// operator starts, signals and exit codes included.
const asDaemon = "RUN_TEST_BINARY_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running daemon.
type process struct {
	cmd *exec.Cmd
	log *bufio.Scanner
	// seen are the log lines read so far.
	seen []string
}

// command is the daemon with these arguments.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	return cmd
}

// start runs the daemon with JSON logs until the test ends.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(t, append(args, "--log-format=json", "--listen=127.0.0.1:0")...)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.log = bufio.NewScanner(stderr)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// await reads the log up to the line with that message, and returns it.
func (p *process) await(t *testing.T, msg string) map[string]any {
	t.Helper()
	for p.log.Scan() {
		p.seen = append(p.seen, p.log.Text())
		var line map[string]any
		if err := json.Unmarshal(p.log.Bytes(), &line); err != nil {
			t.Fatalf("a log line is not JSON: %q", p.log.Text())
		}
		if line["msg"] == msg {
			return line
		}
	}
	t.Fatalf("the log ended without %q:\n%s", msg, strings.Join(p.seen, "\n"))
	return nil
}

// stop sends SIGTERM and returns the exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t, "stopped")
	if err := p.cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// fails runs the daemon to its end and returns its exit code and stderr.
func fails(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stderr strings.Builder
	cmd := command(t, args...)
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("estimatord %s: err %v, want it to fail; stderr:\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return exit.ExitCode(), stderr.String()
}

func dial(t *testing.T, socket string) agentv1.OversubscriptionClient {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return agentv1.NewOversubscriptionClient(conn)
}

// recorded is what a real agent sent.
func recorded(t *testing.T, name string) *agentv1.EstimateRequest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "agentapi", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	req := &agentv1.EstimateRequest{}
	if err := proto.Unmarshal(data, req); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestFixedAnswersARealAgentsRequests(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	p := start(t, "--mode=fixed", "--resources=cpus:4", "--socket", socket)
	p.await(t, "offer")
	client := dial(t, socket)
	for name, want := range map[string]string{
		"idle-agent.bin":                "cpus:4",
		"one-regular-one-revocable.bin": "cpus:3",
	} {
		got, err := client.Estimate(t.Context(), recorded(t, name))
		if err != nil || got.GetResources() != want {
			t.Errorf("%s: answer %q, err %v; want %q", name, got.GetResources(), err, want)
		}
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestUsageOffersNothingUnseen(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	p := start(t, "--mode=usage", "--socket", socket, "--mesos-cgroups-root", "estimatord-no-such-agent")
	if line := p.await(t, "offer"); line["revocable_total"] != "0" || line["why"] != "no_samples" && line["why"] != "no_agent" {
		t.Errorf("offer %v, want nothing for want of samples or an agent", line)
	}
	got, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin"))
	if err != nil || got.GetResources() != "" {
		t.Errorf("answer %q, err %v; want an empty one", got.GetResources(), err)
	}
}

func TestASecondInstanceIsRefusedAndTheFirstLivesOn(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	p := start(t, "--mode=fixed", "--resources=cpus:1", "--socket", socket)
	p.await(t, "offer")
	code, stderr := fails(t, "--mode=noop", "--socket", socket, "--listen", "off")
	if code != exitFailed || !strings.Contains(stderr, socket) || !strings.Contains(stderr, "in use") {
		t.Errorf("the second: exit %d, %q; want %d and the socket in use", code, stderr, exitFailed)
	}
	if got, err := dial(t, socket).Estimate(t.Context(), recorded(t, "idle-agent.bin")); err != nil || got.GetResources() != "cpus:1" {
		t.Errorf("the first answers %q, %v after that; want cpus:1", got.GetResources(), err)
	}
}

func TestAStaleSocketIsTakenOver(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	first := start(t, "--mode=noop", "--socket", socket)
	first.await(t, "offer")
	if err := first.cmd.Process.Kill(); err != nil { // kill -9: nothing is tidied up
		t.Fatal(err)
	}
	_ = first.cmd.Wait()
	if _, err := os.Lstat(socket); err != nil {
		t.Fatalf("the killed daemon left no socket to take over: %v", err)
	}
	second := start(t, "--mode=fixed", "--resources=cpus:2", "--socket", socket)
	second.await(t, "offer")
	if got, err := dial(t, socket).Estimate(t.Context(), recorded(t, "idle-agent.bin")); err != nil || got.GetResources() != "cpus:2" {
		t.Errorf("answer %q, %v; want cpus:2", got.GetResources(), err)
	}
}

func TestMetricsAndHealthOfTheRunningDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	p := start(t, "--mode=fixed", "--resources=cpus:4", "--socket", socket)
	addr, _ := p.await(t, "metrics")["listen"].(string)
	p.await(t, "offer")
	if _, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin")); err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if body := get("/healthz"); !strings.HasPrefix(body, "ok: ") {
		t.Errorf("/healthz says %q", body)
	}
	if body := get("/metrics/containers"); !strings.Contains(body, "estimatord_container_left_out 0") {
		t.Errorf("/metrics/containers says %q", body)
	}
	body := get("/metrics")
	for _, want := range []string{
		`estimatord_revocable_total_cores{resource="cpus"} 4`, `estimatord_agent_connected 1`,
		`estimatord_agent_rpcs_total{code="OK",method="Estimate"} 1`, `estimatord_sampled_containers`, `process_cpu_seconds_total`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestBadInputIsOneClearLine(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	socket := filepath.Join(dir, "agent.sock")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	busy := taken.Addr().String()
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown flag", []string{"--moode=fixed"}, exitUsage, "unknown flag: --moode (did you mean --mode?)"},
		{"unknown flag of a command", []string{"status", "--jsn"}, exitUsage, "unknown flag: --jsn (did you mean --json?)"},
		{"unknown command", []string{"dmeo"}, exitUsage, `unknown command "dmeo" for "estimatord" (did you mean demo?)`},
		{"unknown command of a command", []string{"budget", "rest"}, exitUsage, `unknown command "rest" for "estimatord budget" (did you mean reset?)`},
		{"no policy", []string{"--policy=/nonexistent"}, exitUsage, "--policy: stat /nonexistent: no such file"},
		{"an argument", []string{"version", "x"}, exitUsage, `estimatord version takes no argument, not ["x"]`},
		{"unknown mode", []string{"--mode=fxed"}, exitUsage, `--mode: "fxed" is not one of`},
		{"unparsable resources", []string{"--mode=fixed", "--resources=cpus:four"}, exitUsage, `"cpus:four"`},
		{"fixed without a total", []string{"--mode=fixed"}, exitUsage, "mode fixed needs the total"},
		{"unknown key", []string{"--config", file("key.yaml", "mode: noop\nintervall: 1s\n")}, exitUsage, "key.yaml:2:1: intervall: "},
		{"no such config", []string{"--config", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml: no such file"},
		{"bad policy", []string{"--policy", file("policy.yaml", "rules:\n  - name: x\n    signal: cpoo\n")}, exitUsage, "policy.yaml:3:13: rules[0].signal: "},
		{"no cgroup root", []string{"--cgroup-root", filepath.Join(dir, "none")}, exitUsage, "no such cgroup root"},
		{"not a cgroup mount", []string{"--cgroup-root", dir}, exitUsage, "not a cgroup root"},
		{"unknown agent user", []string{"--agent-user=no-such-user"}, exitUsage, `there is no user "no-such-user"`},
		{"port in use", []string{"--socket", socket, "--listen", busy}, exitFailed, busy},
		{"socket in a file", []string{"--socket", filepath.Join(file("file", ""), "agent.sock")}, exitFailed, "not a directory"},
		{"socket path too long", []string{"--socket", "/" + strings.Repeat("a", 200)}, exitUsage, "has 201 bytes, the kernel takes 107"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := tc.args
			if strings.HasPrefix(args[0], "--") { // of the daemon
				args = append([]string{"--log-level=error"}, args...)
			}
			code, stderr := fails(t, args...)
			if code != tc.code || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit %d, stderr %q; want %d and %q", code, stderr, tc.code, tc.want)
			}
			if n := strings.Count(stderr, "\n"); n != 1 {
				t.Errorf("%d lines on stderr, want one:\n%s", n, stderr)
			}
		})
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a daemon that could not start left its socket: %v", err)
	}
}

func TestVersionAndCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"version":         "estimatord ",
		"--version":       "estimatord ",
		"completion bash": "# bash completion",
	} {
		out, err := command(t, strings.Fields(args)...).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %.60q, %v; want %q", args, out, err, want)
		}
	}
}

// What a default stands for is in the text of the flag.
func TestHelpNamesNoOddDefaults(t *testing.T) {
	var all func(cmd *cobra.Command)
	all = func(cmd *cobra.Command) {
		for _, odd := range []string{"(default -1ns)", "(default [])", "(default )"} {
			if strings.Contains(cmd.UsageString(), odd) {
				t.Errorf("%s: %s", cmd.CommandPath(), odd)
			}
		}
		for _, c := range cmd.Commands() {
			all(c)
		}
	}
	all(newRoot())
}
