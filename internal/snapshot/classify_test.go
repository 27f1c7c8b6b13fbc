package snapshot

import (
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

func TestClassify(t *testing.T) {
	amounts := func(cpus, mem resources.Milli) (q resources.Quantities) {
		if cpus > 0 {
			q.Set(resources.CPUs, cpus)
		}
		if mem > 0 {
			q.Set(resources.Mem, mem)
		}
		return q
	}
	own := amounts(100, 32_000) // of a command task's executor
	batch := Task{ID: "batch", Revocable: amounts(1000, 0), Regular: amounts(0, 64_000)}
	service := Task{ID: "service", Regular: amounts(500, 64_000)}
	for name, tc := range map[string]struct {
		regular, revocable, own resources.Quantities
		tasks                   []Task
		want                    Class
	}{
		"nothing is revocable":             {regular: amounts(600, 96_000), own: own, tasks: []Task{service}, want: ClassRegular},
		"nothing at all":                   {want: ClassRegular},
		"a command task":                   {regular: amounts(100, 96_000), revocable: amounts(1000, 0), own: own, tasks: []Task{batch}, want: ClassRevocable},
		"an executor without tasks":        {regular: own, revocable: amounts(1000, 0), own: own, want: ClassRevocable},
		"a revocable executor":             {revocable: amounts(1000, 32_000), want: ClassRevocable},
		"a revocable task is queued":       {regular: own, revocable: amounts(2000, 0), own: own, tasks: []Task{{Revocable: amounts(1000, 0)}}, want: ClassRevocable},
		"a regular task runs beside":       {regular: amounts(600, 160_000), revocable: amounts(1000, 0), own: own, tasks: []Task{batch, service}, want: ClassShared},
		"a regular task is queued beside":  {regular: amounts(600, 160_000), revocable: amounts(1000, 0), own: own, tasks: []Task{batch}, want: ClassShared},
		"a regular task has only memory":   {regular: amounts(100, 160_000), revocable: amounts(1000, 0), own: own, tasks: []Task{batch}, want: ClassShared},
		"the least that Mesos counts":      {regular: amounts(101, 96_000), revocable: amounts(1000, 0), own: own, tasks: []Task{batch}, want: ClassShared},
		"its executor registers":           {regular: amounts(600, 160_000), revocable: amounts(1000, 0), own: own, want: ClassShared},
		"it may be that of a regular task": {regular: amounts(100, 96_000), revocable: amounts(1000, 0), own: own, want: ClassShared},
		"whose overhead is not known":      {regular: own, revocable: amounts(1000, 0), tasks: []Task{{Revocable: amounts(1000, 0)}}, want: ClassShared},
		"a task of ports alone":            {regular: own, revocable: amounts(1000, 0), own: own, tasks: []Task{{Revocable: amounts(1000, 0)}, {ID: "ports"}}, want: ClassShared},
		// More is said of one resource than is allocated: that does not make up for another one.
		"another resource is overdrawn": {regular: amounts(600, 32_000), revocable: amounts(1000, 0), own: amounts(100, 4096_000), want: ClassShared},
	} {
		t.Run(name, func(t *testing.T) {
			e := Executor{Regular: tc.regular, Revocable: tc.revocable, Own: tc.own, Tasks: tc.tasks}
			if got := e.Classify(); got != tc.want {
				t.Errorf("class %s, want %s", got, tc.want)
			}
		})
	}
}
