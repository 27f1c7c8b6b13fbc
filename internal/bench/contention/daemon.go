package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

// daemons starts the daemon, again and again, in one directory.
type daemons struct {
	binary, dir, socket string
	tree                *tree.Tree
	// log: show its log.
	log bool
}

func newDaemons(binary string, tr *tree.Tree, dir string, log bool) *daemons {
	return &daemons{binary: binary, dir: dir, socket: socketIn(dir), tree: tr, log: log}
}

func socketIn(dir string) string { return filepath.Join(dir, "agent.sock") }

// start runs the daemon with a policy, "" for none, and waits until it serves.
func (d *daemons) start(ctx context.Context, policy string, extra ...string) (*process.Process, error) {
	args := append([]string{
		"--mode=fixed", "--resources=cpus:64;mem:1024", "--socket=" + d.socket, "--listen=127.0.0.1:0", "--interval=1s",
		"--cgroup-root=" + d.tree.Mount(), "--mesos-cgroups-root=" + d.tree.Root(), "--log-format=json",
	}, extra...)
	if policy != "" {
		path := filepath.Join(d.dir, "policy.yaml")
		if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--policy="+path)
	}
	return process.Start(ctx, exec.Command(d.binary, args...), func(l process.Line) {
		if d.log {
			_, _ = fmt.Fprintln(os.Stderr, "daemon:", l.Text)
		}
	})
}
