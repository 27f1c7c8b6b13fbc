package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// task is an instance as the master knows it: its last attempt.
type task struct {
	TaskID      string                 `json:"task_id"`
	Framework   string                 `json:"framework"`
	FrameworkID string                 `json:"framework_id"`
	Hostname    string                 `json:"hostname"`
	AgentID     string                 `json:"agent_id"`
	Kind        placement.Kind         `json:"kind"`
	State       string                 `json:"state"`
	Says        string                 `json:"says"`
	Attempts    int                    `json:"attempts"`
	Preemptions int                    `json:"preemptions"`
	Resources   []scheduler.Resource   `json:"resources"`
	Statuses    []scheduler.TaskStatus `json:"statuses"`
}

// masterTask is a task in the answer to GET_TASKS.
type masterTask struct {
	Name        string                 `json:"name"`
	TaskID      scheduler.ID           `json:"task_id"`
	FrameworkID scheduler.ID           `json:"framework_id"`
	AgentID     scheduler.ID           `json:"agent_id"`
	State       string                 `json:"state"`
	Resources   []scheduler.Resource   `json:"resources"`
	Statuses    []scheduler.TaskStatus `json:"statuses"`
}

// last is the last status that says what the state is.
func (t *masterTask) last() scheduler.TaskStatus {
	if n := len(t.Statuses); n > 0 && t.Statuses[n-1].State == t.State {
		return t.Statuses[n-1]
	}
	return scheduler.TaskStatus{TaskID: t.TaskID, State: t.State}
}

// attempt is which attempt of an instance of mesos-run t is, 0 when it is
// somebody else's task.
func (t *masterTask) attempt() int {
	rest, ok := strings.CutPrefix(t.TaskID.Value, t.Name)
	if ok && rest == "" {
		return 1
	}
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "."))
	if !ok || err != nil || rest[0] != '.' {
		return 0
	}
	return n
}

// tasks asks the master for the tasks of the frameworks of that name, of all
// when it is empty.
func tasks(ctx context.Context, client *scheduler.Client, framework string) ([]*task, error) {
	var answer struct {
		Tasks struct {
			Pending     []masterTask `json:"pending_tasks"`
			Tasks       []masterTask `json:"tasks"`
			Unreachable []masterTask `json:"unreachable_tasks"`
			Completed   []masterTask `json:"completed_tasks"`
			Orphan      []masterTask `json:"orphan_tasks"`
		} `json:"get_tasks"`
		Frameworks struct {
			Frameworks []struct {
				Info scheduler.FrameworkInfo `json:"framework_info"`
			}
			Gone []struct {
				Info scheduler.FrameworkInfo `json:"framework_info"`
			} `json:"completed_frameworks"`
		} `json:"get_frameworks"`
		Agents struct {
			Agents []struct {
				Info struct {
					ID       scheduler.ID `json:"id"`
					Hostname string       `json:"hostname"`
				} `json:"agent_info"`
			} `json:"agents"`
		} `json:"get_agents"`
	}
	for _, call := range []string{"GET_TASKS", "GET_FRAMEWORKS", "GET_AGENTS"} {
		if err := client.Operator(ctx, call, &answer); err != nil {
			return nil, err
		}
	}
	names, hosts := map[string]string{}, map[string]string{}
	for _, f := range append(answer.Frameworks.Gone, answer.Frameworks.Frameworks...) {
		names[f.Info.ID.Value] = f.Info.Name
	}
	for _, a := range answer.Agents.Agents {
		hosts[a.Info.ID.Value] = a.Info.Hostname
	}
	t := answer.Tasks
	known := slices.Concat(t.Completed, t.Orphan, t.Unreachable, t.Pending, t.Tasks)
	groups := map[scheduler.ID][]scheduler.TaskStatus{}
	for i := range known {
		last := known[i].last()
		groups[last.ExecutorID] = append(groups[last.ExecutorID], last)
	}
	var all []*task
	instances := map[string]*task{}
	for i := range known {
		m := &known[i]
		name := names[m.FrameworkID.Value]
		if framework != "" && name != framework {
			continue
		}
		n, id := m.attempt(), m.FrameworkID.Value+" "+m.Name
		if n == 0 {
			n, id = 1, m.FrameworkID.Value+" "+m.TaskID.Value
		}
		x := instances[id]
		if x == nil {
			x = &task{Framework: name, FrameworkID: m.FrameworkID.Value}
			instances[id], all = x, append(all, x)
		}
		last := m.last()
		if job.FateOf(&last) == job.Preempted {
			x.Preemptions++
		}
		if n < x.Attempts {
			continue
		}
		x.Attempts, x.TaskID, x.AgentID, x.State = n, m.TaskID.Value, m.AgentID.Value, m.State
		x.Hostname, x.Kind, x.Resources, x.Statuses = hosts[x.AgentID], placement.Regular, m.Resources, m.Statuses
		x.Says = job.Explain(&last, groups[last.ExecutorID])
		if slices.ContainsFunc(m.Resources, func(r scheduler.Resource) bool { return r.Revocable != nil }) {
			x.Kind = placement.Revocable
		}
	}
	slices.SortFunc(all, func(a, b *task) int {
		return cmp.Or(cmp.Compare(a.FrameworkID, b.FrameworkID), cmp.Compare(a.TaskID, b.TaskID))
	})
	return all, nil
}

// ask runs do with a client and as much time as there is to connect.
func (c *cluster) ask(cmd *cobra.Command, do func(ctx context.Context, client *scheduler.Client) error) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
	defer cancel()
	return do(ctx, client)
}

func newPs() *cobra.Command {
	var c cluster
	framework := frameworkName
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List tasks with the kind of resources that each got",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(ctx context.Context, client *scheduler.Client) error {
				all, err := tasks(ctx, client, framework)
				rows := [][]string{{"TASK", "KIND", "STATE", "ATTEMPTS", "PREEMPTIONS", "HOST", "FRAMEWORK"}}
				for _, t := range all {
					rows = append(rows, []string{t.TaskID, string(t.Kind), t.State, strconv.Itoa(t.Attempts), strconv.Itoa(t.Preemptions), t.Hostname, t.FrameworkID})
				}
				if err != nil {
					return err
				}
				return c.print(cmd, all, rows)
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&framework, "framework", framework, "name of the frameworks whose tasks are listed; empty: of all")
	return cmd
}

func newInspect() *cobra.Command {
	var c cluster
	cmd := &cobra.Command{
		Use:   "inspect TASK",
		Short: "Show what a task got, and what became of it",
		Args:  one("task"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client *scheduler.Client) error {
				all, err := tasks(ctx, client, "")
				if err != nil {
					return err
				}
				all = slices.DeleteFunc(all, func(t *task) bool { return t.TaskID != args[0] && !strings.HasPrefix(t.TaskID, args[0]+".") })
				if len(all) == 0 {
					return fmt.Errorf("the master knows no task %q", args[0])
				}
				var rows [][]string
				for _, t := range all {
					rows = append(rows, t.rows()...)
				}
				return c.print(cmd, all, rows)
			})
		},
	}
	c.flags(cmd)
	return cmd
}

// rows is all that is known of a task, for people.
func (t *task) rows() [][]string {
	rows := [][]string{
		{"task", t.TaskID},
		{"framework", t.Framework + " " + t.FrameworkID},
		{"agent", t.Hostname + " " + t.AgentID},
		{"kind", string(t.Kind)},
		{"state", t.State},
		{"says", t.Says},
		{"attempts", strconv.Itoa(t.Attempts)},
		{"preemptions", strconv.Itoa(t.Preemptions)},
	}
	for i := range t.Resources {
		if r := &t.Resources[i]; r.Scalar != nil {
			rows = append(rows, []string{"resource", fmt.Sprintf("%s:%v %s", r.Name, r.Scalar.Value, placement.KindOf(r))})
		}
	}
	for _, s := range t.Statuses {
		at := time.UnixMilli(int64(s.Timestamp * 1000)).UTC().Format(time.RFC3339)
		rows = append(rows, []string{"status", strings.TrimSpace(strings.Join([]string{at, s.State, s.Source, s.Reason}, " "))})
	}
	return rows
}

func newStop() *cobra.Command {
	var c cluster
	cmd := &cobra.Command{
		Use:   "stop FRAMEWORK",
		Short: "End a framework that --detach left, and its tasks",
		Args:  one("framework id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client *scheduler.Client) error { return client.Teardown(ctx, args[0]) })
		},
	}
	c.flags(cmd)
	return cmd
}

// one is one argument, which is what is named.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{errors.New(cmd.CommandPath() + ": name one " + what)}
		}
		return nil
	}
}
