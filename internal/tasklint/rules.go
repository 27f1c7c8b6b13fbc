package tasklint

import (
	"strings"

	"github.com/estimatord/estimatord/internal/scheduler"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Rule is one rule of revocable resources, of Mesos or of estimatord.
type Rule struct {
	// Says is the rule, By who holds to it and where, Then what becomes of what
	// breaks it.
	Says, By, Then string
	// apply tells r what of w, which is the executor e, breaks it.
	apply func(r *Report, w *workload, e *snapshot.Executor)
}

// Rules is the table of them; docs/frameworks.md shows it.
func Rules() []Rule {
	return []Rule{
		{
			Says: "One resource name is of one kind: in a task, in an executor, and in a task or group with its executor.",
			By:   "master, `src/master/validation.cpp:998`",
			Then: "`TASK_ERROR`, \"Cannot use both revocable and non-revocable 'cpus' at the same time\"",
			apply: func(r *Report, w *workload, _ *snapshot.Executor) {
				for _, t := range w.Tasks {
					r.mixed("Task mixes", t.Resources)
				}
				what := "Task and its executor mix"
				if r.Form == "task group" {
					what = "Task group and executor mix"
				}
				if len(r.Refused) == 0 {
					r.mixed(what, w.resources())
				}
			},
		},
		{
			Says: "What is revocable cannot be reserved dynamically.",
			By:   "master, `src/master/validation.cpp:906`",
			Then: "`TASK_ERROR`, of a RESERVE `OPERATION_ERROR`",
			apply: func(r *Report, w *workload, _ *snapshot.Executor) {
				for _, x := range w.resources() {
					if x.Revocable != nil && (x.Reservation != nil || strings.Contains(string(x.Reservations), "DYNAMIC")) {
						r.refuse("Dynamically reserved resource %s cannot be created from revocable resources", x.Name)
					}
				}
			},
		},
		{
			Says: "There is no persistent volume on revocable disk.",
			By:   "master, `src/master/validation.cpp:935`",
			Then: "`TASK_ERROR`, of a CREATE `OPERATION_ERROR`",
			apply: func(r *Report, w *workload, _ *snapshot.Executor) {
				for _, x := range w.resources() {
					if x.Revocable != nil && strings.Contains(string(x.Disk), "persistence") {
						r.refuse("Persistent volumes cannot be created from revocable resources")
					}
				}
			},
		},
		{
			Says: "A container with any revocable resource is revocable as a whole.",
			By:   "estimatord, as Mesos documents it",
			Then: "its regular resources, such as `mem` beside revocable `cpus`, are lost with it",
			apply: func(r *Report, _ *workload, e *snapshot.Executor) {
				r.Class = e.Class
			},
		},
		{
			Says: "An executor that also runs a task without revocable resources is *shared*, and never throttled or killed.",
			By:   "estimatord, daemon and module",
			Then: "what its other tasks got is never taken back: use separate executors",
			apply: func(r *Report, _ *workload, e *snapshot.Executor) {
				if e.Class == snapshot.ClassShared {
					r.warn("a task without revocable resources shares the executor: what the others got is never taken back")
				}
			},
		},
	}
}

// resources are those of the executor and of all tasks.
func (w *workload) resources() (all []scheduler.Resource) {
	if w.Executor != nil {
		all = append(all, w.Executor.Resources...)
	}
	for _, t := range w.Tasks {
		all = append(all, t.Resources...)
	}
	return all
}
