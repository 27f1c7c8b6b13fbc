package job

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// What each end of a task means for its instance, by state and reason.
func TestEnds(t *testing.T) {
	const again, live = -1, -2 // beside exit codes
	for _, c := range []struct {
		state, reason string
		started       bool
		want          int
	}{
		{"TASK_DROPPED", "REASON_INVALID_OFFERS", false, again},
		{"TASK_DROPPED", "REASON_AGENT_DISCONNECTED", false, again},
		{"TASK_DROPPED", "REASON_AGENT_REMOVED", false, again},
		{"TASK_DROPPED", "REASON_RESOURCES_UNKNOWN", false, again},
		{"TASK_DROPPED", "REASON_GC_ERROR", false, again},
		{"TASK_LOST", "REASON_INVALID_OFFERS", false, again},
		{"TASK_GONE", "REASON_RECONCILIATION", false, again},
		{"TASK_UNKNOWN", "REASON_RECONCILIATION", false, again},
		{"TASK_GONE", "REASON_RECONCILIATION", true, ExitFailed},
		{"TASK_UNKNOWN", "REASON_RECONCILIATION", true, ExitFailed},
		{"TASK_LOST", "REASON_AGENT_DISCONNECTED", true, ExitFailed},
		{"TASK_LOST", "REASON_AGENT_REMOVED", true, ExitFailed},
		{"TASK_LOST", "REASON_AGENT_RESTARTED", true, ExitFailed},
		{"TASK_LOST", "REASON_MASTER_DISCONNECTED", true, ExitFailed},
		{"TASK_LOST", "REASON_CONTAINER_PREEMPTED", true, 137},
		{"TASK_GONE", "REASON_CONTAINER_PREEMPTED", true, 137},
		{"TASK_GONE", "REASON_EXECUTOR_TERMINATED", true, ExitFailed},
		{"TASK_GONE_BY_OPERATOR", "REASON_AGENT_REMOVED_BY_OPERATOR", true, ExitFailed},
		{"TASK_ERROR", "REASON_TASK_INVALID", false, ExitFailed},
		{"TASK_ERROR", "REASON_TASK_UNAUTHORIZED", false, ExitFailed},
		{"TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", true, ExitFailed},
		{"TASK_OF_A_NEWER_MESOS", "", true, ExitFailed},
		{"TASK_UNREACHABLE", "REASON_AGENT_REMOVED", true, live},
		{"TASK_RUNNING", "REASON_AGENT_REREGISTERED", true, live},
	} {
		j := &Job{Log: t.Logf, Timeout: time.Hour, Failover: time.Minute, stream: &scheduler.Stream{}}
		now := time.Now()
		deadline := now.Add(time.Second)
		i := &Instance{Name: "a-1", TaskID: "a-1", launched: true, started: c.started, deadline: deadline}
		j.all = []*Instance{i}
		j.follows(i, &scheduler.TaskStatus{TaskID: scheduler.ID{Value: "a-1"}, State: c.state, Reason: c.reason}, now)
		got := live
		switch {
		case i.ExitCode != nil:
			got = *i.ExitCode
		case i.State == waiting:
			got = again
		}
		if got != c.want || i.launched != (c.want == live) || i.Says == "" {
			t.Errorf("%s, %s: %d, want %d: %+v", c.state, c.reason, got, c.want, i)
		}
		if got == again && !i.deadline.Equal(deadline) {
			t.Errorf("%s, %s: it waits anew", c.state, c.reason)
		}
	}
}

// A task that is unreachable for too long is given up, however often the master
// says so; one that waits for too long is an error.
func TestPatienceEnds(t *testing.T) {
	j := &Job{Log: t.Logf, Failover: time.Minute, Timeout: time.Minute, stream: &scheduler.Stream{}}
	i := &Instance{Name: "a-1", TaskID: "a-1", launched: true, started: true}
	j.all = []*Instance{i}
	begin := time.Now()
	for after := time.Duration(0); after <= time.Minute; after += 10 * time.Second {
		j.follows(i, &scheduler.TaskStatus{State: "TASK_UNREACHABLE"}, begin.Add(after))
		if err := j.expire(begin.Add(after)); err != nil || i.ExitCode != nil {
			t.Fatalf("given up after %s: %v, %+v", after, err, i)
		}
	}
	if err := j.expire(begin.Add(time.Minute + 1)); err != nil || i.ExitCode == nil || *i.ExitCode != ExitFailed || !strings.Contains(i.Says, "unreachable") {
		t.Errorf("%v, %+v", err, i)
	}
	j.all = []*Instance{{Name: "b-1"}}
	j.wait(j.all[0], begin, 0)
	if err := j.expire(begin.Add(time.Minute)); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "nothing was offered") {
		t.Error(err)
	}
}
