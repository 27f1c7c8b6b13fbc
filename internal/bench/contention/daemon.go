package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

// startTimeout bounds the start and the end of the daemon; it only runs out on
// failure.
const startTimeout = time.Minute

// daemons starts the daemon, again and again, in one directory.
type daemons struct {
	binary, dir, socket string
	// where it may run, a CPU or everywhere; "" is where this process does.
	where   string
	tree    *tree.Tree
	spawner *spawn.Spawner
	// echo gets its log.
	echo io.Writer
}

func newDaemons(binary, where string, tr *tree.Tree, dir string, echo io.Writer) *daemons {
	return &daemons{
		binary: binary, dir: dir, socket: socketIn(dir), where: where, tree: tr, spawner: spawn.New(), echo: echo,
	}
}

func socketIn(dir string) string { return filepath.Join(dir, "agent.sock") }

// running is one daemon.
type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
	exit  error // once ended is closed

	mu   sync.Mutex
	log  []line
	more chan struct{} // closed and replaced with each line
}

// line is one line of its log.
type line struct {
	Time     time.Time `json:"time"`
	Level    string    `json:"level"`
	Msg      string    `json:"msg"`
	Executor string    `json:"executor"`
	Listen   string    `json:"listen"`
	text     string
}

// start runs the daemon with a policy, "" for none, and waits until it serves.
func (d *daemons) start(policy string, extra ...string) (*running, error) {
	args := append([]string{
		d.binary, "--mode=fixed", "--resources=cpus:64;mem:1024", "--socket=" + d.socket, "--listen=127.0.0.1:0", "--interval=1s",
		"--cgroup-root=" + d.tree.Mount(), "--mesos-cgroups-root=" + d.tree.Root(), "--log-format=json",
	}, extra...)
	if policy != "" {
		path := filepath.Join(d.dir, "policy.yaml")
		if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--policy="+path)
	}
	cmd := exec.Command(args[0], args[1:]...)
	if d.where != "" {
		var err error
		if cmd, err = pinned(d.where, args...); err != nil {
			return nil, err
		}
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.spawner.Start(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	r := &running{cmd: cmd, ended: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.read(stderr, d.echo)
		r.exit = cmd.Wait()
	}()
	if _, err := r.await(startTimeout, func(l *line) bool { return l.Msg == "metrics" }); err != nil {
		_ = r.cmd.Process.Kill()
		<-r.ended
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	return r, nil
}

// keep are the arguments by which the daemon keeps its decisions in a new
// directory of that name; none when they are not wanted.
func (d *daemons) keep(o *options, name string) ([]string, error) {
	if o.decisions == "" {
		return nil, nil
	}
	if err := os.MkdirAll(o.decisions, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.decisions, strings.NewReplacer(" ", "-", ":", "", ",", "").Replace(name)+"-")
	if err != nil {
		return nil, err
	}
	settings := filepath.Join(d.dir, "estimatord.yaml")
	err = os.WriteFile(settings, []byte("decisions:\n  dir: "+dir+"\n"), 0o600)
	return []string{"--config=" + settings}, err
}

func (r *running) read(from io.Reader, echo io.Writer) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		l := line{text: lines.Text()}
		_ = json.Unmarshal(lines.Bytes(), &l) // a crash is no JSON; its text is kept
		if echo != nil {
			_, _ = fmt.Fprintln(echo, "daemon:", l.text)
		}
		r.mu.Lock()
		r.log = append(r.log, l)
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
	}
}

var errDaemon = errors.New("the daemon")

// await returns the first line of the log that matches.
func (r *running) await(timeout time.Duration, match func(*line) bool) (line, error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for i := 0; ; {
		r.mu.Lock()
		fresh, more := r.log[i:], r.more
		i = len(r.log)
		r.mu.Unlock()
		for k := range fresh {
			if match(&fresh[k]) {
				return fresh[k], nil
			}
		}
		select {
		case <-more:
		case <-r.ended:
			return line{}, fmt.Errorf("%w ended: %w\n%s", errDaemon, r.exit, r.tail())
		case <-limit.C:
			return line{}, fmt.Errorf("%w did not say so within %s\n%s", errDaemon, timeout, r.tail())
		}
	}
}

// tail is the end of the log.
func (r *running) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, l := range r.log[max(0, len(r.log)-20):] {
		texts = append(texts, l.text)
	}
	return strings.Join(texts, "\n")
}

// stop has the daemon end in order.
func (r *running) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-r.ended:
		if r.exit != nil {
			return fmt.Errorf("%w did not end well: %w\n%s", errDaemon, r.exit, r.tail())
		}
		return nil
	case <-time.After(startTimeout):
		r.kill()
		return fmt.Errorf("%w did not end within %s of SIGTERM", errDaemon, startTimeout)
	}
}

// kill ends it with no chance to do anything.
func (r *running) kill() {
	_ = r.cmd.Process.Kill() // it may be gone
	<-r.ended
}
