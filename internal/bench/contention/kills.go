package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
)

const (
	// waitingKill kills for a service that waits: from the onset to a kill.
	waitingKill = "rules:\n  - {name: kill, signal: regular_run_delay, above: 0.2, for: 2s, action: kill, immediate: true, settle: 1s}\nbudget: {kills: 1000, per: 1h}\n"
	// dyingProcesses spin in the container that is killed, whose weight is the
	// least there is, as that of a throttled container.
	dyingProcesses = 100
	// anyUse: it is starved, so it uses next to nothing.
	anyUse = "victims: {min_usage: 0}\n"
	// dyingFor is how long the service spins while it dies, however long that is.
	dyingFor = 15 * time.Second
)

// kill is one container that was killed: when that was decided, at the agent,
// and when no process was left, since the hog began.
type kill struct{ decided, received, empty time.Duration }

// killCase is a sort of kill.
type killCase struct {
	policy    string
	processes int
	// shares is the weight of the hog, "" as launched.
	shares string
}

func measureKills(ctx context.Context, o *options, out io.Writer) error {
	waiting, err := decidedKills(ctx, o, killCase{policy: waitingKill, processes: 4})
	if err != nil {
		return err
	}
	boosted, err := decidedKills(ctx, o, killCase{policy: killPolicy + anyUse, processes: dyingProcesses, shares: leastShares})
	if err != nil {
		return err
	}
	plain, err := plainKills(ctx, o)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n%d onsets with a rule that kills, for: 2s\n\n%s", len(waiting), spreadHead)
	spread(out, "from the onset: kill decided", waiting, func(k kill) float64 { return ms(k.decided) })
	spread(out, "from the onset: kill at the agent", waiting, func(k kill) float64 { return ms(k.received) })
	spread(out, "from the onset: container empty", waiting, func(k kill) float64 { return ms(k.empty) })
	_, _ = fmt.Fprintf(out, "\n%d spinning processes, cpu.shares %s, beside a spinning service; frozen, killed and thawed\n\n%s",
		dyingProcesses, leastShares, spreadHead)
	spread(out, fmt.Sprintf("from the kill at the agent: empty, the daemon boosts (%d)", len(boosted)), boosted,
		func(k kill) float64 { return ms(k.empty - k.received) })
	spread(out, fmt.Sprintf("from the kill: empty, nobody boosts (%d)", len(plain)), plain, ms)
	return nil
}

// decidedKills are decided by the daemon and carried out by the agent.
func decidedKills(ctx context.Context, o *options, c killCase) (all []kill, err error) {
	n, err := newNode(o, nodeConfig{Config: fakeagent.Config{EqualWeights: true, PlainKill: true}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	for i := range o.kills {
		k, err := n.decidedKill(ctx, &c, "hog-"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func (n *node) decidedKill(ctx context.Context, c *killCase, hog string) (k kill, err error) {
	if err := n.launchStopped(ctx, hog, c.processes, c.shares); err != nil {
		return k, err
	}
	container, err := n.agent.Container(hog)
	if err != nil {
		return k, err
	}
	d, err := n.start(ctx, c.policy)
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	if err := n.send(order{Spin: true, Seconds: dyingFor.Seconds()}); err != nil {
		return k, err
	}
	if c.shares == "" {
		// At a random time within a tick, once the service's use is known. Beside a
		// starved hog the service alone makes the node busy.
		if err := sleep(ctx, 2500*time.Millisecond+rand.N(time.Second)); err != nil {
			return k, err
		}
	}
	began := time.Now()
	if err := n.signal([]string{hog}, syscall.SIGCONT); err != nil {
		return k, err
	}
	l, err := d.Await(ctx, func(l process.Line) bool { return l.Msg == "kill" && l.Executor == hog })
	if err != nil {
		return k, err
	}
	received, err := n.await(ctx, fakeagent.KillReceived, hog)
	if err != nil {
		return k, err
	}
	awaitEmpty(container)
	k = kill{decided: l.Time.Sub(began), received: received.At.Sub(began), empty: time.Since(began)}
	_, err = n.receive()
	return k, err
}

// launchStopped launches a hog on what a daemon without a policy offers, and
// stops its processes.
func (n *node) launchStopped(ctx context.Context, hog string, processes int, shares string) error {
	d, err := n.start(ctx, "")
	if err != nil {
		return err
	}
	if err := errors.Join(n.launchHogs([]string{hog}, processes), d.Stop(), n.signal([]string{hog}, syscall.SIGSTOP)); err != nil || shares == "" {
		return err
	}
	return n.set([]string{hog}, "cpu.shares", shares)
}

// plainKills are the same without the daemon.
func plainKills(ctx context.Context, o *options) (all []time.Duration, err error) {
	n, err := newNode(o, nodeConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	for i := range o.kills {
		hog := "hog-" + strconv.Itoa(i)
		if err := n.launchStopped(ctx, hog, dyingProcesses, leastShares); err != nil {
			return nil, err
		}
		c, err := n.agent.Container(hog)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(n.send(order{Spin: true, Seconds: dyingFor.Seconds()}), n.signal([]string{hog}, syscall.SIGCONT)); err != nil {
			return nil, err
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := c.KillPlainly(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
		if _, err := n.receive(); err != nil {
			return nil, err
		}
	}
	return all, nil
}
