package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// frameworkName is how mesos-run registers.
const frameworkName = "mesos-run"

// framework is how c registers in a role.
func (c *cluster) framework(client *scheduler.Client, as, role string) (scheduler.FrameworkInfo, error) {
	if as == "" {
		u, err := user.Current()
		if err != nil {
			return scheduler.FrameworkInfo{}, usageError{fmt.Errorf("--user: %w", err)}
		}
		as = u.Username
	}
	return scheduler.FrameworkInfo{
		User: as, Name: frameworkName, Roles: []string{role}, Checkpoint: true, Principal: client.Principal,
		Capabilities: []scheduler.Capability{{Type: "REVOCABLE_RESOURCES"}, {Type: "PARTITION_AWARE"}, {Type: "MULTI_ROLE"}},
	}, nil
}

// newRoot is the whole command line. Without a subcommand it runs a command.
func newRoot() *cobra.Command {
	var c cluster
	var j job.Job
	var as, role, image string
	var cpus, mem float64
	var failover time.Duration
	var shell, detach bool
	var env, labels map[string]string
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

Exit codes: 124 no resources within --timeout, 125 neither the task nor its kill
say more, 128+N the task ended by signal N (137: preempted), 130 interrupted, 2 wrong
flags, otherwise that of the command; of several instances the highest.`,
		Example: `  mesos-run --master=10.0.0.1:5050 --res-type='~revocable' --cpus=2 --mem=64 -- sleep 60
  mesos-run --master=zk://z1:2181,z2:2181/mesos --res-type=revocable --instances=3 --retries-on-preemption=5 --shell -- 'make test'`,
		Version: version, SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			switch dash := cmd.ArgsLenAtDash(); {
			case dash > 0 || dash < 0 && len(args) > 0:
				return usageError{fmt.Errorf("unknown command %q; what is to be run stands behind --", args[0])}
			case len(args) == 0 && image == "":
				return usageError{errors.New("there is no command behind -- (and no --docker-image that has one)")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			j.Client, j.ConnectTimeout = client, c.timeout
			j.Log = func(format string, args ...any) { tell(cmd.ErrOrStderr(), format, args...) }
			if j.Info, err = c.framework(client, as, role); err != nil {
				return err
			}
			j.Info.FailoverTimeout = failover.Seconds()
			if j.Ask.CPUs, err = amount("--cpus", cpus); err == nil {
				j.Ask.MemMB, err = amount("--mem", mem)
			}
			if err == nil {
				_, err = placement.ParseResType(j.Ask.Type.String())
			}
			if !detach {
				j.Detach = 0
			}
			switch {
			case err != nil:
			case j.Instances < 1 || j.Instances > 1000:
				err = fmt.Errorf("--instances: %d is not from 1 to 1000", j.Instances)
			case j.Timeout < 0 || j.Retries < 0 || failover < time.Second || detach && j.Detach < time.Second:
				err = errors.New("--timeout and --retries-on-preemption are 0 or more, --failover-timeout and --keep 1s or more")
			case detach && j.Retries > 0:
				err = errors.New("--detach: nobody is left for --retries-on-preemption")
			case j.Ask.RevocableMem && !j.Ask.Type.Includes("revocable"):
				err = fmt.Errorf("--revocable-mem: a task of res-type %s has no revocable memory", j.Ask.Type.String())
			case j.Task.Name == "" || strings.ContainsAny(j.Task.Name, "/ \t\n") || len(j.Task.Name) > 200:
				err = fmt.Errorf("--name: %q is no name of a task", j.Task.Name)
			}
			if err != nil {
				return usageError{err}
			}
			j.Task.Command = command(args, shell, env)
			if image != "" {
				j.Task.Container = &scheduler.ContainerInfo{Type: "MESOS", Mesos: &scheduler.MesosInfo{
					Image: scheduler.Image{Type: "DOCKER", Docker: scheduler.DockerImage{Name: image}},
				}}
			}
			if len(labels) > 0 {
				j.Task.Labels = &scheduler.Labels{}
				for _, key := range slices.Sorted(maps.Keys(labels)) {
					j.Task.Labels.Labels = append(j.Task.Labels.Labels, scheduler.Label{Key: key, Value: labels[key]})
				}
			}
			err = j.Run(cmd.Context())
			if result := j.Result(); c.asJSON {
				err = errors.Join(err, c.print(cmd, result, nil))
			} else if err == nil && detach {
				rows := [][]string{{"FRAMEWORK", "TASK", "KIND", "AGENT"}}
				for _, i := range result.Instances {
					rows = append(rows, []string{result.FrameworkID, i.TaskID, string(i.Kind), i.Hostname})
				}
				err = c.print(cmd, nil, rows)
			}
			if code := j.ExitCode(); err == nil && code > 0 {
				err = tasksError(code)
			}
			return err
		},
	}
	cmd.SetVersionTemplate("{{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.flags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.Var(&j.Ask.Type, "res-type", "kind of resources: regular, ~regular, revocable, ~revocable or *")
	f.Float64Var(&cpus, "cpus", 1, "cpus of each instance")
	f.Float64Var(&mem, "mem", 64, "memory of each instance in MB, regular unless --revocable-mem")
	f.BoolVar(&j.Ask.RevocableMem, "revocable-mem", false, "take revocable memory for a revocable task where it is offered")
	f.IntVar(&j.Instances, "instances", 1, "how many tasks are run")
	f.DurationVar(&j.Timeout, "timeout", 10*time.Second, "how long a task waits for resources; 0: for ever")
	f.IntVar(&j.Retries, "retries-on-preemption", 0, "how often a preempted task is run again")
	f.StringVar(&role, "role", "*", "role whose resources are used")
	f.StringVar(&as, "user", "", "user that runs the command (default: who calls mesos-run)")
	f.StringVar(&j.Task.Name, "name", "task", "name of the task; instances are NAME-1, NAME-2, ...")
	f.StringToStringVar(&env, "env", nil, "NAME=VALUE in the environment of the command; repeatable")
	f.StringToStringVar(&labels, "label", nil, "KEY=VALUE, a label of the task; repeatable")
	f.StringVar(&image, "docker-image", "", "Docker image to run in, with the Mesos containerizer")
	f.BoolVar(&shell, "shell", false, "run the command by /bin/sh -c")
	f.DurationVar(&failover, "failover-timeout", time.Minute, "how long tasks outlive a lost mesos-run, and a lost master or agent is waited for")
	f.BoolVar(&detach, "detach", false, "leave the tasks when they run, and print their ids")
	f.DurationVar(&j.Detach, "keep", 7*24*time.Hour, "how long detached tasks may run")
	cmd.AddCommand(newOffers(), newPs(), newInspect(), newStop(), newLint())
	return cmd
}

// amount is that of a flag.
func amount(flag string, value float64) (resources.Milli, error) {
	const most = 1e9
	if m := resources.FloorMilli(value); m > 0 && value < most && !math.IsNaN(value) {
		return m, nil
	}
	return 0, fmt.Errorf("%s: %v is no amount from 0.001 to %v", flag, value, most)
}

// command is what is run.
func command(args []string, shell bool, env map[string]string) *scheduler.CommandInfo {
	c := &scheduler.CommandInfo{Shell: shell}
	if shell {
		c.Value = strings.Join(args, " ")
	} else if len(args) > 0 {
		c.Value, c.Arguments = args[0], args
	}
	if len(env) > 0 {
		c.Environment = &scheduler.Environment{}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			c.Environment.Variables = append(c.Environment.Variables, scheduler.Variable{Name: name, Value: env[name]})
		}
	}
	return c
}
