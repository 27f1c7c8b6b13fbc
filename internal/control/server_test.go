package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

const (
	clientEnv = "OPERATOR_TEST_CLIENT_OF"
	nobody    = 65534
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(clientEnv); socket != "" {
		os.Exit(clientOfNobody(socket))
	}
	goleak.VerifyTestMain(m)
}

// clientOfNobody asks as another user and prints what came back.
func clientOfNobody(socket string) int {
	if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
		fmt.Println(err)
		return 1
	}
	_, err := Client(socket).Pause(context.Background(), 0, false)
	fmt.Println(errors.Is(err, ErrRefused), err)
	return 0
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// full is a server of which everything is to be told.
func full(t *testing.T, log *bytes.Buffer) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "eo") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	long := strings.Repeat("n", 63)
	record := &decision.Record{
		Seq: 7, At: now.Add(-400 * time.Millisecond), TookSeconds: 0.001234, Agent: "pid:11@22", UsageAgeSeconds: 3.2,
		Containers: decision.ContainerCounts{Regular: 3, Revocable: 2, Unreadable: 1},
		Offer: estimator.Offer{Resources: []estimator.ResourceOffer{
			{
				Resource: "cpus", Offered: 1500, RevocableTotal: 2500, Allocated: &estimator.Allocated{RevocableAllocated: 1000},
				Estimate: &estimator.Estimate{Slack: 2600}, Why: reason.RaiseStep,
			},
		}},
		QoS: qos.Decision{
			Why: reason.Throttled,
			Rules: []qos.RuleState{
				{Name: long, Signal: signal.NodeCPU, Action: policy.Throttle, Reading: signal.Reading{Value: snapshot.ValueOf(0.971)}, Above: 0.95, Clear: 0.9, Why: reason.Throttled},
			},
			Shadow: &qos.ShadowDecision{Decision: qos.Decision{Rules: []qos.RuleState{
				{Name: "load", Signal: signal.Load5, Action: policy.Kill, Reading: signal.Reading{Value: snapshot.Value{Why: snapshot.Malformed}}, Above: 6, Clear: 5.4, Why: reason.Blind},
			}}},
			Ladders: []qos.LadderState{
				{Resource: policy.CPU, Rung: policy.Throttle, Wanted: policy.Kill, Since: now.Add(-12 * time.Second), Limit: 3.25, Rule: long},
				{Resource: policy.Memory, Limit: 512 << 20},
			},
			Signals: []signal.Named{
				{Signal: signal.NodeCPU, Reading: signal.Reading{Value: snapshot.ValueOf(0.971)}},
				{Signal: signal.Load5, Reading: signal.Reading{Value: snapshot.Value{Why: snapshot.Malformed}}},
			},
			Budget: qos.BudgetState{Left: 0, Used: 10, OpenSince: now.Add(-time.Hour)},
		},
	}
	return Config{
		Socket: filepath.Join(dir, "o.sock"), ProcRoot: "/proc", Daemon: Daemon{Version: "v1.2.3", Mode: "usage", Started: now}, Recent: NewRecent(noContainers),
		Pending: &Pending{}, Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time { return now },
		Last: func() *decision.Record { return record },
		Policy: func() config.PolicyStatus {
			return config.PolicyStatus{
				File: "/etc/estimatord/policy.yaml", Hash: "0123456789ab", Since: now.Add(-3 * time.Hour), Rules: 2,
				Checked: now.Add(-time.Minute), Good: now.Add(-3 * time.Hour),
				Err: "policy.yaml:3:4: rules[0].above: " + strings.Repeat("long ", 30) + "\npolicy.yaml:9:1: \x1b[31mred", Warnings: []string{"odd"},
			}
		},
		Usage: func() *snapshot.Usage { return nil },
		InFlight: func() []qos.InFlight {
			return []qos.InFlight{{Key: snapshot.Key{ID: "0ba6dcbe-7a3b-4ab6-8a61-2f1d5b1d4d5e"}, Since: now.Add(-3 * time.Second)}}
		},
		Throttles: func() throttle.Report {
			return throttle.Report{Containers: []throttle.Container{{Key: snapshot.Key{ID: "hog"}, Settings: []throttle.Setting{
				{Name: "quota", File: "cpu.cfs_quota_us", Wanted: true, Value: "50000", Before: "-1", Since: now.Add(-5 * time.Second), Why: throttle.Applied},
				{Name: "weight", Why: throttle.Applied},
			}}}}
		},
	}
}

func noContainers(func(*snapshot.Container)) {}

// serving runs a server until the test ends.
func serving(t *testing.T, cfg Config) Client {
	t.Helper()
	s, err := cfg.ListenOperator()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := os.Lstat(cfg.Socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	run(t, s)
	return Client(cfg.Socket)
}

func TestCommands(t *testing.T) {
	var log bytes.Buffer
	cfg := full(t, &log)
	client := serving(t, cfg)
	if o := cfg.Pending.Take(); o != (qos.Commands{}) {
		t.Fatalf("commands before any: %+v", o)
	}
	reset, err := client.ResetBudget(t.Context())
	if err != nil || reset.Forgotten != 10 || !reset.BreakerWasOpen {
		t.Errorf("reset: %v, %v", reset, err)
	}
	if o := cfg.Pending.Take(); o != (qos.Commands{ResetBudget: true}) {
		t.Errorf("commands after a reset: %+v", o)
	}
	if o := cfg.Pending.Take(); o != (qos.Commands{}) {
		t.Errorf("a reset is carried out twice: %+v", o)
	}
	for i, was := range []bool{false, true} {
		if p, err := client.Pause(t.Context(), 0, false); err != nil || p.WasPaused != was {
			t.Errorf("pause %d: %v, %v", i, p, err)
		}
		if o := cfg.Pending.Take(); o != (qos.Commands{Paused: true}) {
			t.Errorf("commands while paused: %+v", o)
		}
	}
	if st, err := client.Status(t.Context()); err != nil || !st.Daemon.PausedSince.Equal(now) {
		t.Errorf("status while paused: %+v, %v", st, err)
	}
	for i, was := range []bool{true, false} {
		if p, err := client.Resume(t.Context()); err != nil || p.WasPaused != was {
			t.Errorf("resume %d: %v, %v", i, p, err)
		}
	}
	if o := cfg.Pending.Take(); o != (qos.Commands{}) {
		t.Errorf("commands after resume: %+v", o)
	}
	for _, want := range []string{"kill budget is reset", "paused: nothing is offered", "resumed", fmt.Sprintf("pid %d of uid %d", os.Getpid(), os.Geteuid())} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

func TestOtherUsersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	var log bytes.Buffer
	cfg := full(t, &log)
	serving(t, cfg)
	if err := os.Chmod(filepath.Dir(cfg.Socket), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"the file is closed":           {0o600, "is for root and the daemon's own user"},
		"somebody opened the file up":  {0o666, "of uid 65534 may not call"},
		"and so does the log remember": {0o666, "this socket is for root and uid 0"},
	} {
		if err := os.Chmod(cfg.Socket, tc.mode); err != nil {
			t.Fatal(err)
		}
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), clientEnv+"="+cfg.Socket)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "true ") || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	if o := cfg.Pending.Take(); o.Paused {
		t.Error("another user has paused the daemon")
	}
	if !strings.Contains(log.String(), "an operator's request was refused") {
		t.Errorf("log %s", &log)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir, err := os.MkdirTemp("", "eo")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "o.sock")
	if _, err := Client(path).Status(t.Context()); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "is estimatord running") {
		t.Errorf("no socket: %v", err)
	}
	var log bytes.Buffer
	cfg := full(t, &log)
	cfg.Socket = path
	s, err := cfg.ListenOperator()
	if err != nil {
		t.Fatal(err)
	}
	_ = s.listener.Close() // as after kill -9
	if _, err := Client(path).Status(t.Context()); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("stale socket: %v", err)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	var log bytes.Buffer
	cfg := full(t, &log)
	cfg.Throttles = nil
	client := serving(t, cfg)
	if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "see its log") {
		t.Errorf("err %v", err)
	}
	if _, err := client.Pause(t.Context(), 0, false); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// golden compares with a file; UPDATE_GOLDEN=1 writes it, to be read then.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

func TestPrint(t *testing.T) {
	var log bytes.Buffer
	cfg := full(t, &log)
	client := serving(t, cfg)
	st, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st.Daemon.PID, st.Daemon.PausedSince = 4242, st.Tick.At
	text := Text(st, now) + "\n"
	js, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "full.txt", text)
	golden(t, "full.json", string(js)+"\n")
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsRune(text, '\x1b') {
		t.Error("an escape sequence reaches the terminal")
	}
	var fields map[string]any
	if err := json.Unmarshal(js, &fields); err != nil || fields["daemon"].(map[string]any)["paused_since"] == nil {
		t.Errorf("json: %v, %v", err, fields)
	}
}

// Before the first tick, and without a policy, there is little to tell.
func TestPrintOfAYoungDaemon(t *testing.T) {
	var log bytes.Buffer
	cfg := full(t, &log)
	cfg.Last, cfg.Policy = func() *decision.Record { return nil }, func() config.PolicyStatus { return config.PolicyStatus{} }
	cfg.InFlight, cfg.Throttles = func() []qos.InFlight { return nil }, func() throttle.Report { return throttle.Report{} }
	client := serving(t, cfg)
	st, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st.Daemon.PID = 4242
	text := Text(st, now) + "\n"
	golden(t, "young.txt", text)
}

func TestBadRequests(t *testing.T) {
	var log bytes.Buffer
	cfg := full(t, &log)
	client := serving(t, cfg)
	for _, c := range []struct {
		method, path string
		want         string
	}{
		{"GET", "/api/v1/nothing", `there is no "/api/v1/nothing"`},
		{"GET", "/", `there is no "/"`},
		{"GET", pathPause, `takes POST, not "GET"`},
		{"DELETE", pathStatus, `takes GET, not "DELETE"`},
	} {
		if _, err := ask[Status](t.Context(), client, c.method, c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.method, c.path, err, c.want)
		}
	}
	if o := cfg.Pending.Take(); o != (qos.Commands{}) {
		t.Errorf("bad requests have left %+v", o)
	}
}
