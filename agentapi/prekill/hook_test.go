package prekill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

func victim(t *testing.T) qos.Victim {
	t.Helper()
	v, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: "c1", Inode: 7}, Executor: &snapshot.Executor{
		ContainerID: "c1", FrameworkID: "f1", ExecutorID: "e1", Class: snapshot.ClassRevocable,
		Revocable: resources.Quantities{{Name: resources.CPUs, Amount: 1000}},
	}}, qos.Cause{Rule: "busy", Text: `busy: "95 %" above 90 %`})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var said = Warning{ContainerID: "c1", FrameworkID: "f1", ExecutorID: "e1", Rule: "busy", Reason: `busy: "95 %" above 90 %`, DeadlineSeconds: 5}

// How a warning ended: what the log says of it.
const (
	done   = ""
	late   = "did not end in time"
	failed = "failed"
)

// ended reports whether the log says that one warning ended so, and no more.
func ended(log, how string) bool {
	if how == done {
		return log == ""
	}
	return strings.Count(log, "\n") == 1 && strings.Contains(log, "before a kill "+how)
}

// warn warns once and returns what was logged, and how long it took.
func warn(t *testing.T, h Hook, deadline time.Duration) (string, time.Duration) {
	t.Helper()
	var log strings.Builder
	w, err := New(h, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	began := time.Now()
	w.Warn(ctx, victim(t))
	return log.String(), time.Since(began)
}

func TestCommandIsTold(t *testing.T) {
	out := filepath.Join(t.TempDir(), "said")
	log, _ := warn(t, Hook{Command: []string{"sh", "-c", `cat > "$1"; echo not heard`, "hook", out}, Deadline: 5 * time.Second}, 5*time.Second)
	if !ended(log, done) {
		t.Fatalf("log %s", log)
	}
	text, err := os.ReadFile(out)
	var got Warning
	if err != nil || json.Unmarshal(text, &got) != nil || strings.Count(string(text), "\n") != 1 {
		t.Fatalf("%v: %q is not one line of JSON", err, text)
	}
	if diff := cmp.Diff(said, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCommandThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		command []string
		says    string
	}{
		"exits with an error": {[]string{"sh", "-c", "echo out of paper; exit 3"}, "out of paper"},
		"does not exist":      {[]string{"/nonexistent/hook"}, "/nonexistent/hook"},
		"does not read":       {[]string{"false"}, "exit status 1"},
	} {
		log, _ := warn(t, Hook{Command: tc.command, Deadline: 5 * time.Second}, 5*time.Second)
		if !ended(log, failed) || !strings.Contains(log, tc.says) || !strings.Contains(log, "container=c1") {
			t.Errorf("%s: log %s; want one failure that says %q", name, log, tc.says)
		}
	}
}

// A command that hangs is killed with its children, and a child that holds the
// output open does not hold up the kill.
func TestCommandThatHangsIsEnded(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	log, took := warn(t, Hook{
		Command: []string{"sh", "-c", `sleep 600 & echo $! $$ > "$1"; wait`, "hook", pids}, Deadline: time.Second,
	}, time.Second)
	if !ended(log, late) {
		t.Errorf("log %s", log)
	}
	if took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); running(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d of %q is still there", pid, text)
			}
		}
	}
}

// running reports whether the process is there and no zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// listen serves one connection with serve.
func listen(t *testing.T, serve func(c net.Conn)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		serve(c)
	}()
	return path
}

func TestSocketIsTold(t *testing.T) {
	for name, answer := range map[string]string{"and closes": "", "and answers": "ok\n"} {
		heard := make(chan Warning, 1)
		path := listen(t, func(c net.Conn) {
			line, _ := bufio.NewReader(c).ReadBytes('\n')
			var w Warning
			_ = json.Unmarshal(line, &w)
			heard <- w
			_, _ = io.WriteString(c, answer)
			if answer != "" {
				_, _ = io.Copy(io.Discard, c)
			}
		})
		log, _ := warn(t, Hook{Socket: path, Deadline: 5 * time.Second}, 5*time.Second)
		if !ended(log, done) {
			t.Errorf("%s: log %s", name, log)
		}
		if diff := cmp.Diff(said, <-heard); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSocketThatIsNotThereOrSilent(t *testing.T) {
	log, _ := warn(t, Hook{Socket: filepath.Join(t.TempDir(), "none"), Deadline: time.Second}, time.Second)
	if !ended(log, failed) || !strings.Contains(log, "no such file") {
		t.Errorf("not there: log %s", log)
	}
	release := make(chan struct{})
	path := listen(t, func(net.Conn) { <-release })
	log, _ = warn(t, Hook{Socket: path, Deadline: time.Second}, 200*time.Millisecond)
	close(release)
	if !ended(log, late) {
		t.Errorf("silent: log %s", log)
	}
}

func TestHooksThatAreRefused(t *testing.T) {
	for name, h := range map[string]Hook{
		"neither":        {Deadline: time.Second},
		"both":           {Command: []string{"a"}, Socket: "/b", Deadline: time.Second},
		"empty command":  {Command: []string{""}, Deadline: time.Second},
		"no deadline":    {Socket: "/b"},
		"long deadline":  {Socket: "/b", Deadline: time.Minute},
		"short deadline": {Socket: "/b", Deadline: time.Millisecond},
	} {
		if _, err := New(h, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrHook) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
