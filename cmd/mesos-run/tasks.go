package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// task is a task as the master tells of it, and what follows from that. Of an
// instance that was launched several times, it is the last attempt.
type task struct {
	Name        string                 `json:"name"`
	TaskID      scheduler.ID           `json:"task_id"`
	FrameworkID scheduler.ID           `json:"framework_id"`
	AgentID     scheduler.ID           `json:"agent_id"`
	State       string                 `json:"state"`
	Resources   []scheduler.Resource   `json:"resources"`
	Statuses    []scheduler.TaskStatus `json:"statuses"`

	Framework   string         `json:"framework"`
	Hostname    string         `json:"hostname"`
	Kind        placement.Kind `json:"kind"`
	Says        string         `json:"says"`
	Attempts    int            `json:"attempts"`
	Preemptions int            `json:"preemptions"`
}

// last is the last status that says what the state is.
func (t *task) last() scheduler.TaskStatus {
	if n := len(t.Statuses); n > 0 && t.Statuses[n-1].State == t.State {
		return t.Statuses[n-1]
	}
	return scheduler.TaskStatus{TaskID: t.TaskID, State: t.State}
}

// attempt is which attempt of its instance t is, and what tells instances apart.
// The tasks of other frameworks are instances of their own.
func (t *task) attempt() (n int, instance string) {
	suffix, mine := strings.CutPrefix(t.TaskID.Value, t.Name)
	if n, err := strconv.Atoi(strings.TrimPrefix(suffix, ".")); mine && err == nil && suffix[0] == '.' {
		return n, t.FrameworkID.Value + " " + t.Name
	}
	return 1, t.FrameworkID.Value + " " + t.TaskID.Value
}

// known is what the master answers to the three calls that tell of tasks.
type known struct {
	Tasks struct {
		Pending     []*task `json:"pending_tasks"`
		Tasks       []*task `json:"tasks"`
		Unreachable []*task `json:"unreachable_tasks"`
		Completed   []*task `json:"completed_tasks"`
		Orphan      []*task `json:"orphan_tasks"`
	} `json:"get_tasks"`
	Frameworks struct {
		Frameworks []named `json:"frameworks"`
		Completed  []named `json:"completed_frameworks"`
	} `json:"get_frameworks"`
	Agents struct {
		Agents []named `json:"agents"`
	} `json:"get_agents"`
}

// named is a framework or an agent.
type named struct {
	Framework struct {
		ID   scheduler.ID `json:"id"`
		Name string       `json:"name"`
	} `json:"framework_info"`
	Agent struct {
		ID       scheduler.ID `json:"id"`
		Hostname string       `json:"hostname"`
	} `json:"agent_info"`
}

// tasks asks the master for the tasks of the frameworks of that name, of all
// when it is empty.
func tasks(ctx context.Context, client *scheduler.Client, framework string) ([]*task, error) {
	var k known
	for _, call := range []string{"GET_TASKS", "GET_FRAMEWORKS", "GET_AGENTS"} {
		if err := client.Operator(ctx, scheduler.Call{Type: call}, &k); err != nil {
			return nil, err
		}
	}
	names := map[scheduler.ID]string{}
	for _, n := range slices.Concat(k.Frameworks.Completed, k.Frameworks.Frameworks, k.Agents.Agents) {
		names[n.Framework.ID], names[n.Agent.ID] = n.Framework.Name, n.Agent.Hostname
	}
	var all []*task
	groups := map[scheduler.ID][]scheduler.TaskStatus{}
	instances := map[string]*task{}
	for _, t := range slices.Concat(k.Tasks.Completed, k.Tasks.Orphan, k.Tasks.Unreachable, k.Tasks.Pending, k.Tasks.Tasks) {
		last := t.last()
		groups[last.ExecutorID] = append(groups[last.ExecutorID], last)
		t.Framework, t.Hostname, t.Kind = names[t.FrameworkID], names[t.AgentID], placement.Regular
		if framework != "" && t.Framework != framework {
			continue
		}
		if slices.ContainsFunc(t.Resources, func(r scheduler.Resource) bool { return r.Revocable != nil }) {
			t.Kind = placement.Revocable
		}
		var instance string
		t.Attempts, instance = t.attempt()
		if job.FateOf(&last) == job.Preempted {
			t.Preemptions = 1
		}
		before := instances[instance]
		if before == nil {
			all = append(all, t)
			instances[instance] = t
			continue
		}
		t.Preemptions += before.Preemptions
		if before.Attempts < t.Attempts {
			*before = *t
		} else {
			before.Preemptions = t.Preemptions
		}
	}
	for _, t := range all {
		last := t.last()
		t.Says = job.Explain(&last, groups[last.ExecutorID])
	}
	slices.SortFunc(all, func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.FrameworkID.Value, b.FrameworkID.Value), cmp.Compare(a.TaskID.Value, b.TaskID.Value))
	})
	return all, nil
}

func newPs() *cobra.Command {
	var c cluster
	framework := frameworkName
	cmd := &cobra.Command{Use: "ps", Short: "List tasks with the kind of resources that each got", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&framework, "framework", framework, "name of the frameworks whose tasks are listed; empty: of all")
	return c.ask(cmd, func(ctx context.Context, client *scheduler.Client, _ []string) error {
		all, err := tasks(ctx, client, framework)
		if err != nil {
			return err
		}
		rows := [][]string{{"TASK", "KIND", "STATE", "ATTEMPTS", "PREEMPTIONS", "HOST", "FRAMEWORK"}}
		for _, t := range all {
			rows = append(rows, []string{t.TaskID.Value, string(t.Kind), t.State, strconv.Itoa(t.Attempts), strconv.Itoa(t.Preemptions), t.Hostname, t.FrameworkID.Value})
		}
		return c.print(cmd, all, rows)
	})
}

func newInspect() *cobra.Command {
	var c cluster
	cmd := &cobra.Command{Use: "inspect TASK", Short: "Print all that the master knows of a task, as JSON", Args: one("task")}
	return c.ask(cmd, func(ctx context.Context, client *scheduler.Client, args []string) error {
		all, err := tasks(ctx, client, "")
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(t *task) bool { return t.TaskID.Value != args[0] && t.Name != args[0] })
		if len(all) == 0 {
			return fmt.Errorf("the master knows no task %q", args[0])
		}
		c.asJSON = true // as docker inspect does
		return c.print(cmd, all, nil)
	})
}

func newStop() *cobra.Command {
	var c cluster
	cmd := &cobra.Command{Use: "stop FRAMEWORK", Short: "End a framework that --detach left, and its tasks", Args: one("framework id")}
	return c.ask(cmd, func(ctx context.Context, client *scheduler.Client, args []string) error {
		type framework struct {
			ID scheduler.ID `json:"framework_id"`
		}
		return client.Operator(ctx, map[string]any{"type": "TEARDOWN", "teardown": framework{scheduler.ID{Value: args[0]}}}, nil)
	})
}
