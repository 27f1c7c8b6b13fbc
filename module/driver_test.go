package module_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// patience is how long a test waits for what must happen, on a slow day.
const patience = 30 * time.Second

// driver is the C++ transport in a process of its own (test/driver.cpp).
type driver struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan string
	// kept are lines read while waiting for another call.
	kept []string
	next int
}

// result is how a call ended, in the words of test/driver.cpp.
type result struct {
	Ending string
	// Values are those of field 1 of the answer.
	Values []string
	// Status is the grpc-status of a refusal.
	Status string
	// Error is the line for the log.
	Error string
}

func startDriver(t *testing.T, programs, socket string) *driver {
	t.Helper()
	// Not ended with the test's context, but by the end of its input: see below.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(programs, "driver"), socket)
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
		"ASAN_OPTIONS=detect_leaks=1", "UBSAN_OPTIONS=print_stacktrace=1", "TSAN_OPTIONS=halt_on_error=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, stdin: stdin, lines: make(chan string, 64)}
	go func() {
		defer close(d.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			d.lines <- scanner.Text()
		}
	}()
	// The end of the input ends the driver: it must then close its channel,
	// and the sanitizers must have nothing to say.
	t.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
		for range d.lines {
			continue
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("driver: %v\n%s", err, stderr.String())
		}
	})
	d.expect("ok")
	return d
}

func (d *driver) send(format string, args ...any) {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.stdin, format+"\n", args...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *driver) read() string {
	d.t.Helper()
	select {
	case line, ok := <-d.lines:
		if !ok {
			d.t.Fatal("the driver has ended")
		}
		return line
	case <-time.After(patience):
		d.t.Fatal("the driver says nothing")
	}
	return ""
}

// expect reads the reply to a command, keeping the results that come before it.
func (d *driver) expect(want string) {
	d.t.Helper()
	for {
		line := d.read()
		if strings.HasPrefix(line, "done ") {
			d.kept = append(d.kept, line)
			continue
		}
		if line != want {
			d.t.Fatalf("driver says %q, want %q", line, want)
		}
		return
	}
}

// call starts a call and returns its name.
func (d *driver) call(rpc string, timeout time.Duration, usage *wire.ResourceUsage) string {
	d.t.Helper()
	body, err := proto.Marshal(usage)
	if err != nil {
		d.t.Fatal(err)
	}
	file := filepath.Join(d.t.TempDir(), "usage")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.next++
	name := fmt.Sprintf("c%d", d.next)
	d.send("call %s %s %d %s", name, rpc, timeout.Milliseconds(), file)
	return name
}

// wait returns how a call ended.
func (d *driver) wait(name string) result {
	d.t.Helper()
	prefix := "done " + name + " "
	for i, line := range d.kept {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			d.kept = append(d.kept[:i], d.kept[i+1:]...)
			return d.parse(rest)
		}
	}
	for {
		line := d.read()
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return d.parse(rest)
		}
		if !strings.HasPrefix(line, "done ") {
			d.t.Fatalf("driver says %q", line)
		}
		d.kept = append(d.kept, line)
	}
}

func (d *driver) parse(rest string) result {
	d.t.Helper()
	ending, rest, _ := strings.Cut(rest, " ")
	switch ending {
	case "answered":
		r := result{Ending: ending}
		for _, field := range strings.Fields(rest) {
			if field == "-" {
				r.Values = append(r.Values, "")
				continue
			}
			value, err := hex.DecodeString(field)
			if err != nil {
				d.t.Fatal(err)
			}
			r.Values = append(r.Values, string(value))
		}
		return r
	case "undecodable":
		return result{Ending: ending, Error: rest}
	default:
		status, text, _ := strings.Cut(rest, " ")
		return result{Ending: ending, Status: status, Error: text}
	}
}

// do makes a call and waits for its end.
func (d *driver) do(rpc string, timeout time.Duration, usage *wire.ResourceUsage) result {
	d.t.Helper()
	return d.wait(d.call(rpc, timeout, usage))
}

func (d *driver) cancel(name string) {
	d.t.Helper()
	d.send("cancel %s", name)
}
