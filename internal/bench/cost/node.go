package main

import (
	"errors"
	"fmt"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// node is an agent's root of its own with containers in it, and a cgroup for the
// daemon beside it.
type node struct {
	containers, beside *tree.Tree
	// daemon is the cgroup that the daemon runs in.
	daemon *tree.Container
	ids    []string
}

func newNode(containers int) (n *node, err error) {
	n = &node{}
	if n.containers, err = tree.Create("cost"); err != nil {
		return n, err
	}
	if n.beside, err = tree.Create("costdaemon"); err != nil {
		return n, err
	}
	if n.daemon, err = n.beside.NewContainer("daemon", tree.Limits{CPUs: resources.Unit}); err != nil {
		return n, err
	}
	err = n.fill(containers)
	return n, err
}

// fill makes the containers, each with a trace of memory and CPU time: a cgroup
// that was never used is cheaper to read than a real one.
func (n *node) fill(containers int) error {
	toucher, err := workload.StartToucher()
	if err != nil {
		return err
	}
	defer toucher.Stop()
	for i := range containers {
		id := fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i)
		n.ids = append(n.ids, id)
		if err := n.containers.Make(id); err != nil {
			return err
		}
		if err := n.containers.Enter(id, toucher.Pid()); err != nil {
			return err
		}
		if err := toucher.Step(); err != nil {
			return err
		}
	}
	return nil
}

// remove removes every cgroup that was made.
func (n *node) remove() error {
	var errs []error
	for _, t := range []*tree.Tree{n.containers, n.beside} {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}
