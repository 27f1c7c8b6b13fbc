package prekill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/qos"
)

// ErrHook is the class of what New refuses.
var ErrHook = errors.New("invalid warning before kills")

// Hook is how somebody is warned. Exactly one of Command and Socket is set.
type Hook struct {
	// Command is a program with its arguments, run without a shell. It gets the
	// warning on its standard input.
	Command []string
	// Socket is the path of a Unix stream socket. The warning is written to it,
	// and it is waited for the other side to close, or to answer a line.
	Socket string
	// Deadline is how long a kill waits for the warning at most. Longer saves
	// more work of the victim, shorter relieves regular tasks sooner.
	Deadline time.Duration
}

// Limits of Deadline. oomd's prekill hooks have 5 s by default; regular tasks
// are short of something all the while.
const (
	MinDeadline     = 100 * time.Millisecond
	MaxDeadline     = 30 * time.Second
	DefaultDeadline = 2 * time.Second
)

// Warning is what is said, as one line of JSON.
type Warning struct {
	ContainerID string `json:"container_id"`
	FrameworkID string `json:"framework_id"`
	ExecutorID  string `json:"executor_id"`
	// Rule is the rule of the policy, Reason its sentence.
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	// DeadlineSeconds is how long the kill waits.
	DeadlineSeconds float64 `json:"deadline_seconds"`
}

// Warner warns. It is for any goroutine.
type Warner struct {
	hook Hook
	log  *slog.Logger
}

// New makes a Warner of a hook.
func New(h Hook, log *slog.Logger) (*Warner, error) {
	switch {
	case (len(h.Command) == 0) == (h.Socket == ""):
		return nil, fmt.Errorf("%w: it needs a command or a socket, and not both", ErrHook)
	case len(h.Command) > 0 && h.Command[0] == "":
		return nil, fmt.Errorf("%w: the command is empty", ErrHook)
	case h.Deadline < MinDeadline || h.Deadline > MaxDeadline:
		return nil, fmt.Errorf("%w: a deadline of %s is not between %s and %s", ErrHook, h.Deadline, MinDeadline, MaxDeadline)
	}
	return &Warner{hook: h, log: log}, nil
}

// Warn warns about v and returns when that is done, has failed, or ctx ends. A
// command that still runs then is killed with all that it started in its
// process group.
func (w *Warner) Warn(ctx context.Context, v qos.Victim) {
	text, err := json.Marshal(Warning{
		ContainerID: v.Key().ID, FrameworkID: v.FrameworkID(), ExecutorID: v.ExecutorID(),
		Rule: v.Cause().Rule, Reason: v.Cause().Text, DeadlineSeconds: w.hook.Deadline.Seconds(),
	})
	if err == nil {
		text = append(text, '\n')
		if len(w.hook.Command) > 0 {
			err = run(ctx, w.hook.Command, text)
		} else {
			err = tell(ctx, w.hook.Socket, text)
		}
	}
	attrs := []any{"container", v.Key().ID, "rule", v.Cause().Rule}
	switch {
	case ctx.Err() != nil:
		w.log.Warn("the warning before a kill did not end in time, the kill goes on", append(attrs, "err", err)...)
	case err != nil:
		w.log.Warn("the warning before a kill failed, the kill goes on", append(attrs, "err", err)...)
	}
}

// maxOutput is how much of what a command says stands in an error.
const maxOutput = 512

// run runs the command with text on its standard input.
func run(ctx context.Context, command []string, text []byte) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(text)
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A child of the command may hold its output open for longer than it lives.
	cmd.WaitDelay = 100 * time.Millisecond
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w%s", command[0], err, out.said())
	}
	return nil
}

// tail keeps the last of what a command says.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - maxOutput; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) said() string {
	if len(t.b) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it said %q)", t.b)
}

// tell writes text to the socket and waits for a line or the end.
func tell(ctx context.Context, path string, text []byte) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(text); err != nil {
		return err
	}
	if u, ok := c.(*net.UnixConn); ok {
		if err := u.CloseWrite(); err != nil {
			return err
		}
	}
	answer := make([]byte, maxOutput)
	for {
		n, err := c.Read(answer)
		switch {
		case errors.Is(err, io.EOF), bytes.IndexByte(answer[:n], '\n') >= 0:
			return nil
		case err != nil:
			return err
		}
	}
}
