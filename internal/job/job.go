// Package job is a framework that runs the instances of one task on regular or
// revocable resources, and leaves nothing behind.
package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/scheduler"
)

const (
	// every is how often deadlines are looked at.
	every = 100 * time.Millisecond
	// settle is how long an offer is kept for what may come beside it: regular and
	// revocable resources of an agent come apart, and the second choice waits for
	// the first. It is Mesos's default allocation interval.
	settle = time.Second
	// refuse and refuseLong are how long what is declined is not offered again,
	// while something waits and when nothing does, in seconds. More than was
	// declined is offered at once.
	refuse, refuseLong = 5.0, 3600.0
	// killGrace is how long tasks may take to end before they are torn down.
	// An executor gives a task 3 s between SIGTERM and SIGKILL.
	killGrace = 10 * time.Second
	// mostPause bounds the growing pause before a preempted task is placed again.
	mostPause = time.Minute
)

var (
	// ErrTimeout is that a task did not get resources in time.
	ErrTimeout = errors.New("timed out")
	// ErrInterrupted is that the context ended before the tasks did.
	ErrInterrupted = errors.New("interrupted")
)

// Job is what is to be run. Run it once.
type Job struct {
	Client *scheduler.Client
	// Info is how it registers. Its failover timeout is Failover, which is also
	// how long a lost master or agent is waited for.
	Info     scheduler.FrameworkInfo
	Failover time.Duration
	// Task is each instance's, but for its ids and resources.
	Task      scheduler.TaskInfo
	Instances int
	Ask       placement.Request
	// Timeout is how long a task may wait for resources; 0: for ever.
	Timeout time.Duration
	// Retries is how often a preempted task is run again.
	Retries int
	// Detach: tasks are left running when all do, for so long; 0: they are not.
	Detach time.Duration
	// ConnectTimeout is how long the master is looked for at first and at the
	// end.
	ConnectTimeout time.Duration
	// Log prints one line for people.
	Log func(format string, args ...any)

	all      []*Instance
	stream   *scheduler.Stream
	offers   []offer
	statuses map[string]scheduler.TaskStatus
	// offered is what each agent offered last, for the message when time is over.
	offered    map[string]string
	suppressed bool
	ending     bool
	lostAt     time.Time // when the stream was lost, or began
	flaps      int       // streams in a row that ended at once
	reconcile  struct {
		at   time.Time
		wait time.Duration
	}
}

type offer struct {
	scheduler.Offer
	at time.Time
}

// Instance is one task, through all of its attempts.
type Instance struct {
	Name     string         `json:"name"`
	TaskID   string         `json:"task_id"`
	AgentID  string         `json:"agent_id,omitempty"`
	Hostname string         `json:"hostname,omitempty"`
	Kind     placement.Kind `json:"kind,omitempty"`
	// State is the state of Mesos, or WAITING for resources.
	State string `json:"state"`
	// Says is State in words.
	Says string `json:"says"`
	// Attempts are the launches that were tried.
	Attempts    int `json:"attempts"`
	Preemptions int `json:"preemptions"`
	// ExitCode is that of the task, when it is over.
	ExitCode *int `json:"exit_code,omitempty"`

	launched  bool
	started   bool      // its executor has said so
	unsure    time.Time // since when nobody has known of it; zero: it is known
	notBefore time.Time // after a preemption
	deadline  time.Time // for resources; zero: none
}

const waiting = "WAITING"

// Result is what a job came to.
type Result struct {
	FrameworkID string      `json:"framework_id"`
	Instances   []*Instance `json:"instances"`
}

// Result is how things are now.
func (j *Job) Result() Result {
	r := Result{Instances: j.all}
	if j.Info.ID != nil {
		r.FrameworkID = j.Info.ID.Value
	}
	return r
}

// ExitCode is the worst of the tasks'.
func (j *Job) ExitCode() (worst int) {
	for _, i := range j.all {
		if i.ExitCode != nil {
			worst = max(worst, *i.ExitCode)
		}
	}
	return worst
}

// Run runs the job until its tasks are over, or run and are left, or ctx ends.
// But for tasks that are left, nothing stays behind: when the master cannot be
// told, it ends what is left after the failover timeout, and the error says so.
func (j *Job) Run(ctx context.Context) error {
	now := time.Now()
	j.statuses, j.offered = map[string]scheduler.TaskStatus{}, map[string]string{}
	for n := range j.Instances {
		i := &Instance{Name: fmt.Sprintf("%s-%d", j.Task.Name, n+1)}
		j.wait(i, now, 0)
		j.all = append(j.all, i)
	}
	j.lostAt, j.Info.FailoverTimeout = now, j.Failover.Seconds()
	err := j.follow(ctx, j.over)
	if err == nil && j.Detach > 0 { // the master is to keep the framework for as long
		info := j.Info
		info.FailoverTimeout = j.Detach.Seconds()
		err = j.stream.Call(ctx, scheduler.Call{Type: "UPDATE_FRAMEWORK", UpdateFramework: &scheduler.Framework{FrameworkInfo: info}})
		if err == nil {
			j.stream.Close()
			return nil
		}
	}
	left := j.end(ctx, err)
	if ctx.Err() != nil {
		err = ErrInterrupted
	}
	return errors.Join(err, left)
}

// wait queues an instance for its first or next attempt.
func (j *Job) wait(i *Instance, now time.Time, pause time.Duration) {
	i.launched, i.State, i.Says = false, waiting, "waiting for resources"
	i.notBefore = now.Add(pause)
	if j.Timeout > 0 {
		i.deadline = i.notBefore.Add(j.Timeout)
	}
	j.Log("%s: waiting for %s", i.Name, &j.Ask)
}

// over reports whether there is nothing more to do.
func (j *Job) over() bool {
	for _, i := range j.all {
		if i.ExitCode == nil && (j.Detach == 0 || i.State != "TASK_RUNNING") {
			return false
		}
	}
	return true
}

// follow subscribes, again when need be, and lives by events and deadlines
// until it is over.
func (j *Job) follow(ctx context.Context, over func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if j.stream == nil {
			if err := j.connect(ctx); err != nil {
				return err
			}
		}
		if over() {
			return nil
		}
		err := j.step(ctx, time.Now())
		if err == nil && j.stream != nil {
			select {
			case e, more := <-j.stream.Events:
				if more {
					err = j.take(ctx, e)
				} else {
					err = j.stream.Err()
				}
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, scheduler.ErrStreamEnded) && ctx.Err() == nil {
			j.lose(err)
		} else if err != nil {
			return err
		}
	}
}

// lose drops the stream, which is of no use any more because of err.
func (j *Job) lose(err error) {
	j.Log("lost the master: %v", err)
	j.stream.Close()
	if j.stream = nil; time.Since(j.lostAt) > settle {
		j.flaps = 0
	}
	j.flaps++
	j.lostAt = time.Now()
}

// connect subscribes. It gives up at the end of the failover timeout, when the
// master ends the tasks, and looks up whenever a task has waited for too long.
func (j *Job) connect(ctx context.Context) error {
	limit := j.ConnectTimeout
	if j.Info.ID != nil && !j.ending {
		limit = max(limit, j.Failover)
	}
	for j.stream == nil {
		now := time.Now()
		if err := j.expire(now); err != nil {
			return err
		}
		until := j.lostAt.Add(limit)
		for _, i := range j.all {
			if i.State == waiting && !i.deadline.IsZero() && i.deadline.Before(until) {
				until = i.deadline
			}
		}
		short, cancel := context.WithDeadline(ctx, until)
		if j.flaps > 1 { // a master that ends each stream at once is not asked all the time
			select {
			case <-time.After(min(time.Duration(j.flaps)*every, mostPause)):
			case <-short.Done():
			}
		}
		s, err := j.Client.Subscribe(short, j.Info)
		cancel()
		switch {
		case err == nil:
			j.stream = s
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, scheduler.ErrLeader) || !time.Now().Before(j.lostAt.Add(limit)):
			return err
		}
	}
	if known := j.Info.ID; known != nil && *known != j.stream.FrameworkID {
		return fmt.Errorf("the master takes framework %s for %s", known.Value, j.stream.FrameworkID.Value)
	}
	if j.Info.ID == nil {
		j.Log("registered as framework %s", j.stream.FrameworkID.Value)
	}
	j.Info.ID = &j.stream.FrameworkID
	j.lostAt = time.Now()
	// A new stream has no offers out, and is not suppressed.
	j.offers, j.suppressed = nil, false
	j.reconcile.at, j.reconcile.wait = j.lostAt, settle
	for _, i := range j.all {
		if i.launched && i.unsure.IsZero() {
			i.unsure = j.lostAt
		}
	}
	return nil
}

// expire is the error when a task has waited for too long, and gives up tasks
// of which nobody has known for too long.
func (j *Job) expire(now time.Time) error {
	for _, i := range j.all {
		if i.State == waiting && !i.deadline.IsZero() && !now.Before(i.deadline) && !j.ending {
			return fmt.Errorf("%w: %s had no %s within %s: %s", ErrTimeout, i.Name, &j.Ask, j.Timeout, j.offeredLast())
		}
		if i.launched && !i.unsure.IsZero() && now.Sub(i.unsure) > j.Failover && j.stream != nil {
			i.finish(ExitFailed, fmt.Sprintf("lost: nobody has known of it for %s (%s)", j.Failover, i.Says))
			j.Log("%s: %s", i.TaskID, i.Says)
		}
	}
	return nil
}

// step does what is due: launches what waits, gives offers back, asks for more
// or for none, and asks for tasks of which nobody knows.
func (j *Job) step(ctx context.Context, now time.Time) error {
	if err := j.expire(now); err != nil {
		return err
	}
	if err := j.place(ctx, now); err != nil {
		return err
	}
	wanted := !j.ending && slices.ContainsFunc(j.all, func(i *Instance) bool { return i.State == waiting })
	back := answer(wanted)
	j.offers = slices.DeleteFunc(j.offers, func(o offer) bool {
		if wanted && now.Sub(o.at) <= settle {
			return false
		}
		back.OfferIDs = append(back.OfferIDs, o.ID)
		return true
	})
	if len(back.OfferIDs) > 0 {
		if err := j.stream.Call(ctx, scheduler.Call{Type: "DECLINE", Decline: back}); err != nil {
			return err
		}
	}
	if wanted == j.suppressed {
		call := map[bool]string{true: "REVIVE", false: "SUPPRESS"}[wanted]
		if err := j.stream.Call(ctx, scheduler.Call{Type: call}); err != nil {
			return err
		}
		j.suppressed = !wanted
	}
	// A master that has just started knows no task until the agents are back, and
	// says nothing: it is asked again.
	var unsure []scheduler.TaskOnAgent
	for _, i := range j.all {
		if i.launched && !i.unsure.IsZero() {
			unsure = append(unsure, i.onAgent())
		}
	}
	if unsure == nil || now.Before(j.reconcile.at) {
		return nil
	}
	j.reconcile.at = now.Add(j.reconcile.wait)
	j.reconcile.wait = min(2*j.reconcile.wait, 30*time.Second)
	return j.stream.Call(ctx, scheduler.Call{Type: "RECONCILE", Reconcile: &scheduler.Reconcile{Tasks: unsure}})
}

// answer is the answer to offers when something waits, or nothing does.
func answer(waits bool) *scheduler.Offers {
	o := &scheduler.Offers{}
	if o.Filters.RefuseSeconds = refuseLong; waits {
		o.Filters.RefuseSeconds = refuse
	}
	return o
}
