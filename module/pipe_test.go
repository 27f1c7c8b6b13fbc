package module_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen, on a slow day.
const patience = 30 * time.Second

// pipe is a C++ program that takes commands, one a line, and says what came of
// them: "done <name> ..." for what was started under a name, anything else as
// the reply to the last command.
type pipe struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan string
	// kept are the "done" lines read while waiting for another.
	kept []string
}

func startPipe(t *testing.T, program string, args ...string) *pipe {
	t.Helper()
	// Not ended with the test's context, but by the end of its input: see below.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// A proxy of the machine must not matter to a Unix socket.
	cmd.Env = append(os.Environ(), "http_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1",
		"ASAN_OPTIONS=detect_leaks=1", "UBSAN_OPTIONS=print_stacktrace=1", "TSAN_OPTIONS=halt_on_error=1",
		"LIBPROCESS_IP=127.0.0.1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &pipe{t: t, stdin: stdin, lines: make(chan string, 64)}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	// The end of its input ends the program: it must then let go of everything
	// by itself, and the sanitizers must have nothing to say.
	t.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
		overdue := time.AfterFunc(patience, func() {
			t.Error("the program does not end")
			_ = cmd.Process.Kill()
		})
		for range p.lines {
			continue
		}
		err := cmd.Wait()
		overdue.Stop()
		if err != nil {
			t.Errorf("%s: %v\n%s", program, err, stderr.String())
		}
	})
	return p
}

func (p *pipe) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.stdin, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipe) read() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatal("the program has ended")
		}
		return line
	case <-time.After(patience):
		p.t.Fatal("the program says nothing")
	}
	return ""
}

// reply reads the reply to a command, keeping the results that come before it.
func (p *pipe) reply() string {
	p.t.Helper()
	for {
		line := p.read()
		if !strings.HasPrefix(line, "done ") {
			return line
		}
		p.kept = append(p.kept, line)
	}
}

func (p *pipe) expect(want string) {
	p.t.Helper()
	if got := p.reply(); got != want {
		p.t.Fatalf("the program says %q, want %q", got, want)
	}
}

// done returns what came of what was started under this name.
func (p *pipe) done(name string) string {
	p.t.Helper()
	prefix := "done " + name + " "
	for i, line := range p.kept {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			p.kept = append(p.kept[:i], p.kept[i+1:]...)
			return rest
		}
	}
	for {
		line := p.read()
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return rest
		}
		if !strings.HasPrefix(line, "done ") {
			p.t.Fatalf("the program says %q", line)
		}
		p.kept = append(p.kept, line)
	}
}
