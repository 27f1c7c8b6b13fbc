// Package process runs the real daemon as a child process and follows its log,
// for the demo, the measurements and the tests of the whole chain.
package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
)

// ErrDaemon is the class of what goes wrong with the daemon.
var ErrDaemon = errors.New("the daemon")

// Timeout bounds the start and the end of the daemon; it only runs out on
// failure.
const Timeout = time.Minute

// tailLines is how much of the log an error shows.
const tailLines = 20

// Line is one line of the daemon's log, as --log-format=json writes it. A field
// that the line does not have is zero.
type Line struct {
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Msg      string    `json:"msg"`
	Executor string    `json:"executor"`
	Why      string    `json:"why"`
	Listen   string    `json:"listen"`
	Err      string    `json:"err"`
	// Text is the whole line. A crash is no JSON: then nothing else is set.
	Text string `json:"-"`
}

// parse reads a line of the log.
func parse(text string) Line {
	l := Line{}
	if json.Unmarshal([]byte(text), &l) != nil {
		l = Line{}
	}
	l.Text = text
	return l
}

// Process is one run of the daemon. It is safe for concurrent use.
type Process struct {
	// Address is where the daemon serves /metrics.
	Address string

	cmd   *exec.Cmd
	ended chan struct{}
	exit  error // once ended is closed

	mu   sync.Mutex
	log  []Line
	more chan struct{} // closed and replaced with each line
}

// Start runs cmd, which has --log-format=json, and waits until it serves.
// watch, if not nil, is called with each line of its log, on one goroutine. No
// setting in the caller's environment reaches the daemon.
func Start(ctx context.Context, cmd *exec.Cmd, watch func(Line)) (*Process, error) {
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDaemon, err)
	}
	if err := spawn.Start(cmd, syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDaemon, err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.read(stderr, watch)
		p.exit = cmd.Wait()
	}()
	l, err := p.Await(ctx, func(l Line) bool { return l.Msg == "metrics" })
	if err != nil {
		p.Kill()
		return nil, err
	}
	p.Address = l.Listen
	return p, nil
}

func (p *Process) read(from io.Reader, watch func(Line)) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		l := parse(lines.Text())
		if watch != nil {
			watch(l)
		}
		p.mu.Lock()
		p.log = append(p.log, l)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

// Ended is closed when the daemon is gone; Died says why.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Await returns the first line of the log that matches.
func (p *Process) Await(ctx context.Context, match func(Line) bool) (Line, error) {
	limit := time.NewTimer(Timeout)
	defer limit.Stop()
	for i := 0; ; {
		p.mu.Lock()
		fresh, more := p.log[i:], p.more
		i = len(p.log)
		p.mu.Unlock()
		for _, l := range fresh {
			if match(l) {
				return l, nil
			}
		}
		select {
		case <-more:
		case <-p.ended:
			return Line{}, p.Died()
		case <-ctx.Done():
			return Line{}, context.Cause(ctx)
		case <-limit.C:
			return Line{}, fmt.Errorf("%w did not say so within %s%s", ErrDaemon, Timeout, p.tail())
		}
	}
}

// Died says how the daemon ended by itself; to be called when it has.
func (p *Process) Died() error {
	if p.exit == nil {
		return fmt.Errorf("%w ended by itself: exit status 0%s", ErrDaemon, p.tail())
	}
	return fmt.Errorf("%w ended by itself: %w%s", ErrDaemon, p.exit, p.tail())
}

func (p *Process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, l := range p.log[max(0, len(p.log)-tailLines):] {
		b.WriteString("\n  " + l.Text)
	}
	return b.String()
}

// Stop has the daemon end in order, and says when it does not end well.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %w: %w", ErrDaemon, err)
	}
	select {
	case <-p.ended:
		if p.exit != nil {
			return fmt.Errorf("%w did not end well: %w%s", ErrDaemon, p.exit, p.tail())
		}
		return nil
	case <-time.After(Timeout):
		p.Kill()
		return fmt.Errorf("%w did not end within %s of SIGTERM", ErrDaemon, Timeout)
	}
}

// Kill ends the daemon with no chance to do anything.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.ended
}
