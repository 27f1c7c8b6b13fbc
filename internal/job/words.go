package job

import (
	"cmp"
	"strconv"
	"strings"
	"syscall"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// Exit codes beside those of tasks, as timeout(1) and docker run have them.
const (
	ExitTimeout     = 124 // no resources within the timeout
	ExitFailed      = 125 // no task says why: master, agent or mesos-run itself
	ExitInterrupted = 128 + int(syscall.SIGINT)
	exitKilled      = 128 + int(syscall.SIGKILL)
)

// Reasons that mean more than their state does.
const (
	reasonPreempted  = "REASON_CONTAINER_PREEMPTED"
	reasonReconciled = "REASON_RECONCILIATION"
	reasonNoOffer    = "REASON_INVALID_OFFERS"
)

// Fate is what became of a task.
type Fate uint8

// The fates.
const (
	Live        Fate = iota // it runs, or is about to
	Unreachable             // nobody knows; it may come back
	Finished
	Failed      // it ended by itself, or was killed on request
	Preempted   // its revocable resources were taken back
	NotLaunched // it never started: its offer was gone, or its agent
	Refused     // the master will never launch it
	Lost        // it is over without a word of its own
)

// states are those of Mesos.
var states = map[string]struct {
	fate Fate
	says string
}{
	"TASK_STAGING":          {Live, "staging"},
	"TASK_STARTING":         {Live, "starting"},
	"TASK_RUNNING":          {Live, "running"},
	"TASK_KILLING":          {Live, "killing"},
	"TASK_UNREACHABLE":      {Unreachable, "its agent is unreachable, it may come back"},
	"TASK_FINISHED":         {Finished, "finished"},
	"TASK_FAILED":           {Failed, "failed"},
	"TASK_KILLED":           {Failed, "killed"},
	"TASK_ERROR":            {Refused, "refused"},
	"TASK_DROPPED":          {NotLaunched, "not launched"},
	"TASK_LOST":             {Lost, "lost"},
	"TASK_GONE":             {Lost, "gone"},
	"TASK_GONE_BY_OPERATOR": {Lost, "gone, an operator gave its agent up"},
	"TASK_UNKNOWN":          {Lost, "unknown to the master"},
}

// FateOf is what s means for its task. What an older or a newer Mesos calls
// otherwise is told by the reason, or lost.
func FateOf(s *scheduler.TaskStatus) Fate {
	state, known := states[s.State]
	switch {
	case s.Reason == reasonPreempted: // TASK_GONE; TASK_LOST, where that is not understood
		return Preempted
	case s.Reason == reasonNoOffer: // TASK_DROPPED, or TASK_LOST
		return NotLaunched
	case !known:
		return Lost
	}
	return state.fate
}

// Explain is what a user is told of a task of which s is the last status. group
// are the last statuses of all tasks of its executor.
func Explain(s *scheduler.TaskStatus, group []scheduler.TaskStatus) string {
	says, fate := cmp.Or(states[s.State].says, s.State), FateOf(s)
	switch fate {
	case Live, Finished:
		return says
	case Preempted:
		return "preempted: its revocable resources were taken back (" + s.Reason + ")"
	case NotLaunched:
		says = "not launched"
	case Unreachable, Failed, Refused, Lost:
	}
	if message, _, _ := strings.Cut(s.Message, "\n"); message != "" { // statistics follow
		says += ": " + message
	}
	if s.Reason != "" && s.Reason != reasonReconciled {
		says += " (" + s.Reason + ")"
	}
	if fate == Failed {
		says += preemptedWith(s, group)
	}
	return says
}

// preemptedWith tells of a preemption that no status of the task names: nested
// containers are destroyed before their executor's, so that the executor may
// still report that a task of the group was killed.
func preemptedWith(s *scheduler.TaskStatus, group []scheduler.TaskStatus) string {
	if s.ExecutorID.Value == "" || s.ExecutorID == s.TaskID || exitCode(s) != exitKilled {
		return ""
	}
	for i := range group {
		if FateOf(&group[i]) == Preempted {
			return "; preempted with " + group[i].TaskID.Value + " of the same executor"
		}
	}
	return "; its executor may have been preempted, which the agent's node knows: estimatord explain kill"
}

// exitCode is the exit code for a task whose last status is s: its own, where
// the executor tells it, and 128 plus the signal that ended it.
func exitCode(s *scheduler.TaskStatus) int {
	switch FateOf(s) {
	case Finished:
		return 0
	case Preempted:
		return exitKilled
	case Live, Unreachable, NotLaunched, Refused, Lost:
		return ExitFailed
	case Failed:
	}
	if code, err := strconv.Atoi(strings.TrimPrefix(s.Message, "Command exited with status ")); err == nil && code > 0 && code < 256 {
		return code
	}
	for signal := syscall.Signal(1); signal < 32; signal++ {
		if strings.EqualFold(s.Message, "Command terminated with signal "+signal.String()) {
			return 128 + int(signal)
		}
	}
	return ExitFailed
}
