package fakeagent

import (
	"context"
	"fmt"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// corrections is the QoS loop: slave.cpp:9487-9626. The agent asks again as
// soon as it has an answer; the daemon's long poll is what keeps it from
// spinning.
func (a *Agent) corrections(ctx context.Context) {
	for ctx.Err() == nil {
		list, err := a.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.reached(err)
			pause(ctx, retryAfter)
			continue
		}
		for _, c := range list {
			a.correct(c)
		}
	}
}

func (a *Agent) poll(ctx context.Context) ([]*wire.QoSCorrection, error) {
	ctx, cancel := context.WithTimeout(ctx, correctionsDeadline)
	defer cancel()
	answer, err := a.daemon.Corrections(ctx, &agentv1.CorrectionsRequest{Usage: a.usage()})
	return answer.GetCorrections(), err
}

// correct carries out one correction, or says why not.
func (a *Agent) correct(c *wire.QoSCorrection) {
	e, kind, text := a.accept(c)
	ev := Event{Kind: kind, Container: c.GetKill().GetContainerId().GetValue(), Task: c.GetKill().GetExecutorId().GetValue(), Text: text}
	switch kind {
	case KillReceived:
		a.event(ev)
		go func() { _ = e.destroy() }() // await reports its end, and its failure
		return
	case KillRefused:
		a.cfg.Log.Error("REFUSED TO KILL A REGULAR TASK, the daemon must never ask for that", "task", ev.Task, "container", ev.Container, "text", text)
	default:
		a.cfg.Log.Warn("correction ignored", "task", ev.Task, "container", ev.Container, "text", text)
	}
	a.event(ev)
}

// accept checks the correction by the guards of slave.cpp:9513-9610, in
// their order, and by the one that a real agent lacks.
func (a *Agent) accept(c *wire.QoSCorrection) (e *executor, kind EventKind, text string) {
	kill := c.GetKill()
	framework, id, container := kill.GetFrameworkId(), kill.GetExecutorId(), kill.GetContainerId()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, other := range a.executors {
		if other.task.ID == id.GetValue() {
			e = other
		}
	}
	switch {
	case c.GetType() != wire.QoSCorrection_KILL:
		return nil, KillIgnored, fmt.Sprintf("correction of type %s", c.GetType())
	case framework == nil:
		return nil, KillIgnored, "no framework id"
	case id == nil:
		return nil, KillIgnored, "no executor id"
	case framework.GetValue() != a.frameworkID:
		return nil, KillIgnored, fmt.Sprintf("unknown framework %q", framework.GetValue())
	case e == nil:
		return nil, KillIgnored, fmt.Sprintf("unknown executor %q", id.GetValue())
	case container != nil && container.GetValue() != e.containerID:
		return nil, KillIgnored, fmt.Sprintf("container %q is not that of the executor, %q", container.GetValue(), e.containerID)
	case e.state == terminating:
		return nil, KillIgnored, "the executor is terminating already"
	case e.task.Revocable.IsZero():
		return nil, KillRefused, "nothing revocable is allocated to the container"
	case e.destroy == nil:
		return nil, KillIgnored, "the container is being started" // a real agent destroys it there too
	}
	e.state, e.preempted = terminating, true
	return e, KillReceived, "Container preempted by QoS correction"
}
