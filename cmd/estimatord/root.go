package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
	"github.com/estimatord/estimatord/internal/printable"
)

// helpWidth is that of a terminal which nobody has made wider.
const helpWidth = 80

// newRoot is the whole command line. Without a subcommand it runs the daemon.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "estimatord",
		Short: "Offer the idle, already allocated capacity of a Mesos agent as revocable resources",
		Long: `estimatord runs beside a mesos-agent. It samples the containers' cgroups, tells
the agent how much of the node may be handed out as revocable resources, and has
revocable containers preempted when regular tasks need their resources back.

Every setting below is also a key of the file named by --config and an
environment variable; flags win over the environment, the environment over the
file.`,
		Example: `  estimatord --mode=fixed --resources=cpus:4
  estimatord --config /etc/estimatord/estimatord.yaml
  estimatord demo`,
		Args:          noArguments,
		Version:       build().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDaemon(cmd)
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)))
	config.Flags(root.Flags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root { // a mistyped flag of the unit leaves nothing throttled either
			daemon.Recover(settingsOf(cmd), cmd.ErrOrStderr())
		}
		return usageError{fmt.Errorf("%w%s", err, suggestFlag(cmd, err))}
	})
	root.AddCommand(newVersion(), newDemo(), newReplay(), newRecord(), newConfig(), newDoctor(), newStatus(), newBudget(), newPause(), newResume(), newExplain(), newKills(), newTop(), newResources())
	root.AddCommand(forPackages()...)
	finish(root)
	completions(root)
	return root
}

// newGroup is a command that only has others below it.
func newGroup(use, short, long string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// noArguments refuses arguments: one is rather a mistyped command.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usageError{fmt.Errorf("%s takes no argument, not %q", cmd.CommandPath(), args)}
	}
	suggestion := ""
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		suggestion = " (did you mean " + like[0] + "?)"
	}
	return usageError{fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), suggestion)}
}

// one is one argument, which is what is named.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{fmt.Errorf("%s: name one %s, not %q", cmd.CommandPath(), what, args)}
		}
		return nil
	}
}

// oneAtMost is one argument or none.
func oneAtMost(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return one(what)(cmd, args)
	}
}

// suggestFlag is the flag that may have been meant when err is about an unknown
// one.
func suggestFlag(cmd *cobra.Command, err error) string {
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return ""
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	return config.Suggest("--"+unknown.GetSpecifiedName(), known)
}

// finish makes the help of cmd and of all below it plain: no default value that only
// stands for what the text says, and paragraphs as wide as a terminal.
func finish(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.DefValue == "-1ns" || f.DefValue == "[]" && f.Value.Type() == "durationSlice" {
			f.DefValue = "0"
		}
	})
	paragraphs := strings.Split(cmd.Long, "\n\n")
	for i, text := range paragraphs {
		if !strings.Contains(text, "\n ") { // what is set in is set as it is
			paragraphs[i] = strings.Join(printable.Wrap(strings.Fields(text), helpWidth), "\n")
		}
	}
	cmd.Long = strings.Join(paragraphs, "\n\n")
	for _, c := range cmd.Commands() {
		finish(c)
	}
}

// settingsOf loads the settings by the flags of cmd, the environment and the
// file, each time anew.
func settingsOf(cmd *cobra.Command) daemon.LoadSettings {
	return func() (config.Config, config.Provenance, error) {
		return config.Load(cmd.Flags(), os.Environ(), config.ReadTrusted)
	}
}

// runDaemon runs the daemon until it is told to end.
func runDaemon(cmd *cobra.Command) error {
	d, err := daemon.New(daemon.Options{Load: settingsOf(cmd), Build: build(), Log: cmd.ErrOrStderr()})
	if err != nil {
		return usageError{err}
	}
	return d.Run(cmd.Context())
}
