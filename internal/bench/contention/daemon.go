package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

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

// start runs the daemon with a policy, "" for none, and waits until it serves.
func (d *daemons) start(ctx context.Context, policy string, extra ...string) (*process.Process, error) {
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
	return process.Start(ctx, d.spawner, cmd, func(l process.Line) {
		if d.echo != nil {
			_, _ = fmt.Fprintln(d.echo, "daemon:", l.Text)
		}
	})
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
