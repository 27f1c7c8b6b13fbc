package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
)

const (
	// dyingProcesses spin in the container that is killed, whose weight is the
	// least there is, as that of a throttled container.
	dyingProcesses = 100
	dyingShares    = "2"
	// anyUse: it is starved, so it uses next to nothing.
	anyUse = "victims: {min_usage: 0}\n"
)

func measureKills(ctx context.Context, o *options, out io.Writer) error {
	boosted, err := boostedKills(ctx, o)
	if err != nil {
		return err
	}
	plain, err := plainKills(ctx, o)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n%d spinning processes, cpu.shares %s, beside a spinning service; frozen, killed and thawed\n\n", dyingProcesses, dyingShares)
	_, _ = fmt.Fprintln(out, "| ms from the kill handed over to the container empty | least | p50 | p90 | worst |")
	_, _ = fmt.Fprintln(out, "|---|---|---|---|---|")
	spread(out, fmt.Sprintf("the daemon boosts (%d)", len(boosted)), boosted, ms)
	spread(out, fmt.Sprintf("nobody does (%d)", len(plain)), plain, ms)
	return nil
}

// boostedKills are decided by the daemon and carried out by the agent.
func boostedKills(ctx context.Context, o *options) (all []time.Duration, err error) {
	n, err := newNode(o, nodeConfig{Config: fakeagent.Config{PlainKill: true}, where: strconv.Itoa(firstCPU)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	d, err := n.start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	for i := range o.kills {
		hog := "hog-" + strconv.Itoa(i)
		if err := n.launchHogs([]string{hog}, dyingProcesses); err != nil {
			return nil, err
		}
		if err := n.set([]string{hog}, "cpu.shares", dyingShares); err != nil {
			return nil, err
		}
		c, err := n.agent.Container(hog)
		if err != nil {
			return nil, err
		}
		if err := n.tell(order{Spin: true, Seconds: 8}); err != nil {
			return nil, err
		}
		if err := d.Stop(); err != nil {
			return nil, err
		}
		if d, err = n.start(ctx, killPolicy+anyUse); err != nil {
			return nil, err
		}
		got, err := n.await(ctx, fakeagent.KillReceived, hog)
		if err != nil {
			return nil, err
		}
		awaitEmpty(c)
		took := time.Since(got.At)
		if o.verbose {
			_, _ = fmt.Fprintln(os.Stderr, "boosted kill:", took)
		}
		all = append(all, took)
		if _, err := n.hear(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := d.Stop(); err != nil {
			return nil, err
		}
		if d, err = n.start(ctx, ""); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// plainKills are the same without the daemon.
func plainKills(ctx context.Context, o *options) (all []time.Duration, err error) {
	n, err := newNode(o, nodeConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	for i := range o.kills {
		c, err := n.agent.Tree().NewContainer("plain-"+strconv.Itoa(i), tree.Limits{CPUs: resources.Unit, Revocable: true})
		if err != nil {
			return nil, err
		}
		took, err := plainKill(n, c)
		if err := errors.Join(err, c.Destroy()); err != nil {
			return nil, err
		}
		if o.verbose {
			_, _ = fmt.Fprintln(os.Stderr, "plain kill:", took)
		}
		all = append(all, took)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return all, nil
}

func plainKill(n *node, c *tree.Container) (took time.Duration, err error) {
	cmd, err := pinned(strconv.Itoa(measuredCPU), "sh", "-c", spinners(dyingProcesses))
	if err != nil {
		return 0, err
	}
	if err := c.Start(cmd); err != nil {
		return 0, err
	}
	defer func() { reap(cmd) }()
	if err := awaitProcesses(c, dyingProcesses); err != nil {
		return 0, err
	}
	for _, dir := range c.Dirs() {
		if path := dir + "/cpu.shares"; exists(path) {
			if err := write(path, dyingShares); err != nil {
				return 0, err
			}
		}
	}
	if err := n.tell(order{Spin: true, Seconds: 1}); err != nil {
		return 0, err
	}
	// It has to spin for as long as they die, however long that is.
	for range 14 {
		if err := n.tell(order{Spin: true, Seconds: 1}); err != nil {
			return 0, err
		}
	}
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	err = c.KillPlainly()
	awaitEmpty(c)
	took = time.Since(began)
	for range 15 {
		if _, e := n.hear(); e != nil {
			return took, e
		}
	}
	return took, err
}

// reap ends what may still run and takes its exit status, which is the kill's.
func reap(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// awaitEmpty waits until no process is left.
func awaitEmpty(c *tree.Container) {
	for limit := time.Now().Add(process.Timeout); time.Now().Before(limit); time.Sleep(500 * time.Microsecond) {
		if pids, err := c.Pids(); err != nil || len(pids) == 0 {
			return
		}
	}
}

// spinners is a shell script of so many processes that spin.
func spinners(processes int) string {
	return strings.Repeat("while :; do :; done & ", processes-1) + "while :; do :; done"
}
