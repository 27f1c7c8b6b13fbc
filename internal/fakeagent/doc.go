// Package fakeagent is an embedded agent: towards the daemon it behaves as a
// mesos-agent with the estimatord module does, over the same gRPC on the same
// Unix socket, and it runs real processes in real cgroups laid out as that
// agent's, under a root of its own. The demo and the end-to-end tests use it;
// there is no master and no framework, Launch takes their place.
//
// What it keeps of a real agent (Mesos src/slave/slave.cpp):
//   - One Estimate call at a time, the next an interval after the last answer
//     (:8649). The total of revocable resources is what is allocated plus the
//     answer (:8611). When the daemon cannot be reached, the module answers
//     that there is nothing.
//   - Corrections one after another; a kill is carried out only when framework,
//     executor and container id match and the executor is not ending already
//     (:9513-9610).
//   - A killed container gets no grace; its tasks end as TASK_GONE with
//     REASON_CONTAINER_PREEMPTED once it is gone, and until then it stays in
//     the usage report.
//   - Each command task gets 0.1 cpus and 32 MB of regular resources for its
//     executor on top, also when its own are revocable (:6925).
//
// What it does that a real agent does not: it refuses to kill a container
// without revocable resources, and says so as loudly as it can. The daemon
// must never ask for it.
//
// A program that uses this package calls Child first thing in main, or in
// TestMain: tasks are the same binary, run again.
package fakeagent

import "github.com/estimatord/estimatord/internal/fakeagent/workload"

// Child is for the first line of main. Where this process was started by an
// Agent to be a task, Child is that task, and child is true; main then ends with
// err.
func Child() (child bool, err error) {
	if !workload.Is() {
		return false, nil
	}
	return true, workload.Run()
}
