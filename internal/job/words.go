package job

import (
	"fmt"
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

// FateOf is what s means for its task.
func FateOf(s *scheduler.TaskStatus) Fate {
	switch s.State {
	case "TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING":
		return Live
	case "TASK_UNREACHABLE":
		return Unreachable
	case "TASK_FINISHED":
		return Finished
	case "TASK_ERROR":
		return Refused
	case "TASK_DROPPED":
		return NotLaunched
	}
	switch {
	case s.Reason == reasonPreempted: // TASK_GONE; TASK_LOST, where that is not understood
		return Preempted
	case s.Reason == reasonNoOffer:
		return NotLaunched
	case s.State == "TASK_FAILED" || s.State == "TASK_KILLED":
		return Failed
	}
	return Lost // TASK_LOST, TASK_GONE, TASK_GONE_BY_OPERATOR, TASK_UNKNOWN
}

// lostWords are the ways in which a task is over without a word of its own.
var lostWords = map[string]string{
	"TASK_LOST":             "lost",
	"TASK_GONE":             "gone",
	"TASK_GONE_BY_OPERATOR": "gone, an operator gave its agent up",
	"TASK_UNKNOWN":          "unknown to the master",
}

// Explain is what a user is told of a task of which s is the last status. group
// are the last statuses of all tasks of its executor.
func Explain(s *scheduler.TaskStatus, group []scheduler.TaskStatus) string {
	message, _, _ := strings.Cut(s.Message, "\n") // statistics follow
	because := func(what string) string {
		if message != "" {
			what += ": " + message
		}
		if s.Reason != "" && s.Reason != reasonReconciled {
			what += " (" + s.Reason + ")"
		}
		return what
	}
	switch FateOf(s) {
	case Finished:
		return "finished"
	case Unreachable:
		return because("its agent is unreachable, it may come back")
	case Preempted:
		return "preempted: its revocable resources were taken back (" + s.Reason + ")"
	case NotLaunched:
		return because("not launched")
	case Refused:
		return because("refused")
	case Failed:
		return because(strings.ToLower(strings.TrimPrefix(s.State, "TASK_"))) + preemptedWith(s, group)
	case Lost:
		return because(lostWords[s.State])
	case Live:
	}
	return strings.ToLower(strings.TrimPrefix(s.State, "TASK_"))
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
	case Failed:
	case Live, Unreachable, NotLaunched, Refused, Lost:
		return ExitFailed
	}
	if text, ok := strings.CutPrefix(s.Message, "Command exited with status "); ok {
		if code, err := strconv.Atoi(text); err == nil && code > 0 && code < 256 {
			return code
		}
	}
	if name, ok := strings.CutPrefix(s.Message, "Command terminated with signal "); ok {
		name, _, _ = strings.Cut(name, " (core dumped)")
		for signal := syscall.Signal(1); signal < 32; signal++ {
			if strings.EqualFold(signal.String(), name) {
				return 128 + int(signal)
			}
		}
	}
	return ExitFailed
}

// amounts prints what is asked for.
func (j *Job) amounts() string {
	return fmt.Sprintf("cpus:%s mem:%s", j.Ask.CPUs, j.Ask.MemMB)
}
