package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// screen is a terminal of that size with the program on it.
type screen struct {
	socket, dir string
}

// newScreen runs the program on a terminal, and afterwards shows its exit code.
func newScreen(t *testing.T, width, height int, args ...string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("there is no tmux, which gives top a terminal")
	}
	dir, err := os.MkdirTemp("", "top") // shorter than t.TempDir, whose path a socket may not have
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{socket: filepath.Join(dir, "tmux"), dir: dir}
	line := fmt.Sprintf("env %s=1 '%s' '%s'; echo exit code $?; exec sleep 1000", asDaemon, os.Args[0], strings.Join(args, "' '"))
	s.tmux(t, "-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height), line)
	t.Cleanup(func() {
		s.tmux(t, "kill-server")
		_ = os.RemoveAll(dir)
	})
	return s
}

func (s *screen) tmux(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("tmux", append([]string{"-u", "-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screen) press(t *testing.T, keys ...string) {
	t.Helper()
	s.tmux(t, append([]string{"send-keys"}, keys...)...)
}

// await waits until the screen has all of the texts, and returns it.
func (s *screen) await(t *testing.T, texts ...string) string {
	t.Helper()
	var now, lacking string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		now, lacking = s.tmux(t, "capture-pane", "-p"), ""
		for _, text := range texts {
			if !strings.Contains(now, text) {
				lacking = text
			}
		}
		if lacking == "" {
			return now
		}
	}
	t.Fatalf("the screen lacks %q:\n%s", lacking, now)
	return ""
}

// The real daemon on terminals of both sizes, with what a real agent reported.
func TestTop(t *testing.T) {
	t.Setenv("ESTIMATORD_USAGE_STALE_AFTER", "10m")
	for _, size := range []struct {
		width, height int
		wide          bool
	}{{80, 24, false}, {200, 50, true}} {
		t.Run(fmt.Sprintf("%dx%d", size.width, size.height), func(t *testing.T) {
			dir := t.TempDir()
			socket := filepath.Join(dir, "agent.sock")
			args := []string{"--mode=usage", "--socket", socket, "--mesos-cgroups-root", "estimatord-no-such-agent"}
			p := start(t, args...)
			p.await(t, "offer")
			report(t, socket)
			s := newScreen(t, size.width, size.height, "top", "--operator-socket", filepath.Join(dir, "operator.sock"))

			now := s.await(t, "mode usage", "cpus offered 0 CPUs", "NAME", "no cgroup", "q quit")
			if strings.Contains(now, "FRAMEWORK") != size.wide {
				t.Errorf("ids have columns of their own: %t\n%s", !size.wide, now)
			}
			for line := range strings.Lines(now) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > size.width {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			s.press(t, "o")
			s.await(t, "Offer at", "allocated to regular containers", "esc back")
			s.press(t, "Escape")
			s.await(t, "NAME", "s sort: CPUs used")
			s.press(t, "s")
			s.await(t, "s sort: MB used")
			s.press(t, "/", "n", "o", "n", "e", "t")
			s.await(t, "filter: nonet_", "nothing matches")
			s.press(t, "Escape")
			s.await(t, "/ filter", "no cgroup")
			s.press(t, "Enter")
			s.await(t, "esc back", "role *")
			s.press(t, "Tab")
			s.await(t, "LAST KILLS", "nothing was killed")
			s.press(t, "Tab")

			// A daemon that goes away is waited for.
			if code := p.stop(t); code != 0 {
				t.Errorf("the daemon's exit code is %d", code)
			}
			s.await(t, "NO DAEMON", "no cgroup")
			p = start(t, args...)
			p.await(t, "offer")
			s.await(t, "no agent yet")
			s.press(t, "q")
			s.await(t, "exit code 0")
		})
	}
}

// report sends the daemon what a real agent did.
func report(t *testing.T, socket string) {
	t.Helper()
	if _, err := dial(t, socket).Estimate(t.Context(), recorded(t, "one-regular-one-revocable.bin")); err != nil {
		t.Fatal(err)
	}
}

func TestTopWithoutDaemonOrTerminal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "operator.sock")
	if code, stderr := fails(t, "top", "--operator-socket", socket); code != exitFailed || !strings.Contains(stderr, "needs a terminal") {
		t.Errorf("without a terminal: exit %d, %s", code, stderr)
	}
	s := newScreen(t, 80, 24, "top", "--operator-socket", socket)
	s.await(t, "no daemon answers", "exit code 1")
}
