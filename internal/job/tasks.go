package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// place launches what waits on what is offered: one ACCEPT for each agent, with
// the offers that are used and no others.
func (j *Job) place(ctx context.Context, now time.Time) error {
	if j.ending || len(j.offers) == 0 {
		return nil
	}
	var out []scheduler.Offer
	second := false
	for _, o := range j.offers {
		out = append(out, o.Offer)
		second = second || now.Sub(o.at) > settle
	}
	agents := placement.Agents(out)
	launches := map[*placement.Agent][]scheduler.TaskInfo{}
	waits := false
	for _, i := range j.all {
		if i.State != waiting || now.Before(i.notBefore) {
			continue
		}
		agent, kind, taken := placement.Place(agents, &j.Ask, second)
		if agent == nil {
			waits = true
			continue
		}
		i.Attempts++
		i.TaskID = i.Name
		if i.Attempts > 1 { // an id is used once
			i.TaskID = fmt.Sprintf("%s.%d", i.Name, i.Attempts)
		}
		i.AgentID, i.Hostname, i.Kind = agent.ID, agent.Hostname, kind
		i.launched, i.started, i.unsure = true, false, now
		i.State, i.Says = "TASK_STAGING", "staging"
		task := j.Task
		task.Name, task.TaskID, task.AgentID, task.Resources = i.Name, scheduler.ID{Value: i.TaskID}, scheduler.ID{Value: agent.ID}, taken
		launches[agent] = append(launches[agent], task)
		j.Log("%s: launched as %s on %s resources of %s", i.Name, i.TaskID, kind, agent.Hostname)
	}
	for _, agent := range agents {
		if launches[agent] == nil {
			continue
		}
		accept := answer(waits)
		accept.OfferIDs = agent.Used()
		accept.Operations = []scheduler.Operation{{Type: "LAUNCH"}}
		accept.Operations[0].Launch.TaskInfos = launches[agent]
		j.forget(func(o offer) bool { return slices.Contains(accept.OfferIDs, o.ID) })
		j.reconcile.wait = min(30*time.Second, j.Failover/3)
		j.reconcile.at = now.Add(j.reconcile.wait)
		if err := j.stream.Call(ctx, scheduler.Call{Type: "ACCEPT", Accept: accept}); err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) onAgent() scheduler.TaskOnAgent {
	return scheduler.TaskOnAgent{TaskID: scheduler.ID{Value: i.TaskID}, AgentID: scheduler.ID{Value: i.AgentID}}
}

// take lives with one event.
func (j *Job) take(ctx context.Context, e scheduler.Event) error {
	switch e.Type {
	case "OFFERS":
		for _, o := range e.Offers.Offers {
			j.offers = append(j.offers, offer{o, time.Now()})
			of := placement.Agents([]scheduler.Offer{o})[0]
			j.offered[o.Hostname] = fmt.Sprintf("regular cpus:%s mem:%s and revocable cpus:%s mem:%s",
				of.Free("cpus", placement.Regular), of.Free("mem", placement.Regular),
				of.Free("cpus", placement.Revocable), of.Free("mem", placement.Revocable))
		}
	case "RESCIND":
		j.forget(func(o offer) bool { return o.ID == e.Rescind.OfferID })
	case "FAILURE": // of an executor, or of the agent
		j.forget(func(o offer) bool { return e.Failure.ExecutorID.Value == "" && o.AgentID == e.Failure.AgentID })
	case "UPDATE":
		return j.update(ctx, &e.Update.Status)
	case "ERROR":
		return &scheduler.RefusedError{Text: e.Error.Message}
	}
	return nil
}

func (j *Job) forget(gone func(offer) bool) { j.offers = slices.DeleteFunc(j.offers, gone) }

// update acknowledges a status, which comes again until then, and acts on it.
func (j *Job) update(ctx context.Context, s *scheduler.TaskStatus) error {
	now := time.Now()
	before, known := j.statuses[s.TaskID.Value]
	// Of a task that is over, an agent knows nothing any more.
	if !known || s.Reason != reasonReconciled || FateOf(&before) <= Unreachable {
		j.statuses[s.TaskID.Value] = *s
	}
	for _, i := range j.all {
		if i.TaskID == s.TaskID.Value && i.launched && i.ExitCode == nil {
			j.follows(i, s, now)
		}
	}
	if s.UUID == "" {
		return nil
	}
	return j.stream.Call(ctx, scheduler.Call{Type: "ACKNOWLEDGE", Acknowledge: &scheduler.TaskOnAgent{
		AgentID: s.AgentID, TaskID: s.TaskID, UUID: s.UUID,
	}})
}

// follows does what the status of an instance asks for.
func (j *Job) follows(i *Instance, s *scheduler.TaskStatus, now time.Time) {
	says := Explain(s, nil)
	if says != i.Says {
		j.Log("%s: %s", i.TaskID, says)
	}
	i.State, i.Says = s.State, says
	fate := FateOf(s)
	if fate != Unreachable {
		i.unsure = time.Time{}
	} else if i.unsure.IsZero() {
		i.unsure = now
	}
	if fate == Lost && s.Reason == reasonReconciled && !i.started {
		fate = NotLaunched // the master was lost before it launched it
	}
	switch {
	case fate == Live:
		i.started = i.started || s.Source == "SOURCE_EXECUTOR"
	case fate == Unreachable:
	case fate == NotLaunched && !j.ending:
		deadline := i.deadline // it waits on
		j.wait(i, now, 0)
		i.deadline = deadline
	case fate == Preempted:
		if i.Preemptions++; i.Preemptions <= j.Retries && !j.ending {
			// Its node does not raise the offer for minutes.
			j.wait(i, now, min(time.Second<<min(i.Preemptions, 6), mostPause))
			return
		}
		fallthrough
	default:
		i.finish(exitCode(s), says)
	}
}

func (i *Instance) finish(code int, says string) {
	i.launched, i.Says, i.ExitCode = false, says, &code
}

// offeredLast tells what a task that waits could see.
func (j *Job) offeredLast() string {
	if len(j.offered) == 0 {
		return "nothing was offered (is the role's share used up, or does another framework hold the offers?)"
	}
	var parts []string
	for _, host := range slices.Sorted(maps.Keys(j.offered)) {
		parts = append(parts, host+" offered "+j.offered[host])
	}
	const most = 3
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more agents", len(parts)-most))
	}
	return strings.Join(parts, "; ")
}

// end kills what runs, waits for it, and removes the framework, because of err.
func (j *Job) end(ctx context.Context, err error) error {
	refused := (*scheduler.RefusedError)(nil)
	if j.Info.ID == nil || errors.As(err, &refused) {
		return nil // there is nothing of it
	}
	j.ending, j.lostAt = true, time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killGrace+j.ConnectTimeout)
	defer cancel()
	grace := time.Now().Add(killGrace)
	asked := map[string]bool{}
	killed := func() bool {
		running := false
		for _, i := range j.all {
			running = running || i.launched
			if i.launched && !asked[i.TaskID] {
				asked[i.TaskID] = true
				j.Log("%s: killing it", i.TaskID)
				task := i.onAgent()
				_ = j.stream.Call(ctx, scheduler.Call{Type: "KILL", Kill: &task})
			}
		}
		return !running || time.Now().After(grace)
	}
	left := scheduler.ErrStreamEnded
	for errors.Is(left, scheduler.ErrStreamEnded) {
		if left = j.follow(ctx, killed); left != nil {
			break
		}
		if left = j.stream.Call(ctx, scheduler.Call{Type: "TEARDOWN"}); left != nil {
			j.lose(left)
		}
	}
	if j.stream != nil {
		j.stream.Close()
	}
	if left != nil && !errors.As(left, &refused) {
		return fmt.Errorf("the master was not told (%w): it ends framework %s after %s", left, j.Info.ID.Value, j.Failover)
	}
	return nil
}
