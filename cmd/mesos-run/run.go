package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// options are the flags of a run that are not a job's own.
type options struct {
	cluster
	image         string
	cpus, mem     float64
	shell, detach bool
	env, labels   map[string]string
}

// newRoot is the whole command line. Without a subcommand it runs a command.
func newRoot() *cobra.Command {
	var o options
	var j job.Job
	cmd := &cobra.Command{
		Use:   "mesos-run [flags] -- COMMAND...",
		Short: "Run a command on regular or revocable resources of a Mesos cluster",
		Long: `mesos-run registers as a framework, waits for resources of the kind that --res-type
asks for, runs the command on them, and ends with its exit code:

  regular      only resources that are not taken back
  ~regular     regular if possible, otherwise revocable
  revocable    only resources that can be taken back at any time
  ~revocable   revocable if possible, otherwise regular
  *            any; regular first. Also /EXPRESSION/, for the names it matches

Exit codes: 124 no resources within --timeout, 125 refused or lost, 128+N the task
ended by signal N (137: also preempted), 130 interrupted, 2 wrong flags, otherwise
that of the command; of several instances the highest.`,
		Example: `  mesos-run --master=10.0.0.1:5050 --res-type='~revocable' --cpus=2 --mem=64 -- sleep 60
  mesos-run --master=zk://z1:2181,z2:2181/mesos --res-type=revocable --instances=3 --retries-on-preemption=5 --shell -- 'make test'`,
		Version: version, SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			switch dash := cmd.ArgsLenAtDash(); {
			case dash > 0 || dash < 0 && len(args) > 0:
				return usageError{fmt.Errorf("unknown command %q; what is to be run stands behind --", args[0])}
			case len(args) == 0 && o.image == "":
				return usageError{errors.New("there is no command behind -- (and no --docker-image that has one)")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := o.complete(&j, args); err != nil {
				return usageError{err}
			}
			defer j.Client.Close()
			j.Log = func(format string, args ...any) { tell(cmd.ErrOrStderr(), format, args...) }
			err = j.Run(cmd.Context())
			result := j.Result()
			rows := [][]string{{"FRAMEWORK", "TASK", "KIND", "AGENT"}}
			for _, i := range result.Instances {
				rows = append(rows, []string{result.FrameworkID, i.TaskID, string(i.Kind), i.Hostname})
			}
			if o.asJSON || err == nil && o.detach {
				err = errors.Join(err, o.print(cmd, result, rows))
			}
			if code := j.ExitCode(); err == nil && code > 0 {
				err = tasksError(code)
			}
			return err
		},
	}
	cmd.SetVersionTemplate("{{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	o.flags(cmd)
	o.roleFlags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.Var(&j.Ask.Type, "res-type", "kind of resources: regular, ~regular, revocable, ~revocable or *")
	f.Float64Var(&o.cpus, "cpus", 1, "cpus of each instance")
	f.Float64Var(&o.mem, "mem", 64, "memory of each instance in MB, regular unless --revocable-mem")
	f.BoolVar(&j.Ask.RevocableMem, "revocable-mem", false, "take revocable memory for a revocable task where it is offered")
	f.IntVar(&j.Instances, "instances", 1, "how many tasks are run")
	f.DurationVar(&j.Timeout, "timeout", 10*time.Second, "how long a task waits for resources; 0: for ever")
	f.IntVar(&j.Retries, "retries-on-preemption", 0, "how often a preempted task is run again")
	f.StringVar(&j.Task.Name, "name", "task", "name of the task; instances are NAME-1, NAME-2, ...")
	f.StringToStringVar(&o.env, "env", nil, "NAME=VALUE in the environment of the command; repeatable")
	f.StringToStringVar(&o.labels, "label", nil, "KEY=VALUE, a label of the task; repeatable")
	f.StringVar(&o.image, "docker-image", "", "Docker image to run in, with the Mesos containerizer")
	f.BoolVar(&o.shell, "shell", false, "run the command by /bin/sh -c")
	f.DurationVar(&j.Failover, "failover-timeout", time.Minute, "how long tasks outlive a lost mesos-run, and a lost master or agent is waited for")
	f.BoolVar(&o.detach, "detach", false, "leave the tasks when they run, and print their ids")
	f.DurationVar(&j.Detach, "keep", 7*24*time.Hour, "how long detached tasks may run")
	cmd.AddCommand(newOffers(), newPs(), newInspect(), newStop(), newLint())
	return cmd
}

// complete makes of j what the flags ask for, or says which is wrong.
func (o *options) complete(j *job.Job, args []string) (err error) {
	if j.Client, err = o.client(); err != nil {
		return err
	}
	if j.Info, err = o.framework(); err != nil {
		return err
	}
	if _, err := placement.ParseResType(j.Ask.Type.String()); err != nil {
		return err
	}
	j.ConnectTimeout = o.timeout
	j.Ask.CPUs, j.Ask.MemMB = resources.FloorMilli(o.cpus), resources.FloorMilli(o.mem)
	const most = 1e9
	switch {
	case j.Ask.CPUs <= 0 || o.cpus > most:
		return fmt.Errorf("--cpus: %v is not from 0.001 to %v", o.cpus, most)
	case j.Ask.MemMB <= 0 || o.mem > most:
		return fmt.Errorf("--mem: %v is not from 0.001 to %v", o.mem, most)
	case j.Instances < 1 || j.Instances > 1000:
		return fmt.Errorf("--instances: %d is not from 1 to 1000", j.Instances)
	case j.Timeout < 0 || j.Retries < 0 || j.Failover < time.Second || j.Detach < time.Second:
		return errors.New("--timeout and --retries-on-preemption are 0 or more, --failover-timeout and --keep 1s or more")
	case o.detach && j.Retries > 0:
		return errors.New("--detach: nobody is left for --retries-on-preemption")
	case j.Ask.RevocableMem && !j.Ask.Type.Includes(placement.Revocable):
		return fmt.Errorf("--revocable-mem: a task of res-type %s has no revocable memory", j.Ask.Type.String())
	case j.Task.Name == "" || strings.ContainsAny(j.Task.Name, "/ \t\n") || len(j.Task.Name) > 200:
		return fmt.Errorf("--name: %q is no name of a task", j.Task.Name)
	}
	if !o.detach {
		j.Detach = 0
	}
	command := &scheduler.CommandInfo{Shell: o.shell, Value: strings.Join(args, " ")}
	if !o.shell && len(args) > 0 {
		command.Value, command.Arguments = args[0], args
	}
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var env []variable
	for _, name := range slices.Sorted(maps.Keys(o.env)) {
		env = append(env, variable{name, o.env[name]})
	}
	if env != nil {
		if command.Environment, err = json.Marshal(map[string]any{"variables": env}); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.labels)) {
		j.Task.Labels.Labels = append(j.Task.Labels.Labels, scheduler.Label{Key: key, Value: o.labels[key]})
	}
	j.Task.Command = command
	if o.image != "" {
		j.Task.Container = &scheduler.ContainerInfo{
			Type: "MESOS", Mesos: fmt.Appendf(nil, `{"image":{"type":"DOCKER","docker":{"name":%q}}}`, o.image),
		}
	}
	return nil
}
