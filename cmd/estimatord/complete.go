package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
)

// completions gives the shell the values of every setting among the flags of cmd
// and of all below it, and names of files only where a file is meant. What was
// registered before stays.
func completions(cmd *cobra.Command) {
	def := config.Default()
	settings := map[string]config.Setting{}
	for _, s := range config.Settings(&def) {
		settings[s.Flag] = s
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		s, isSetting := settings[f.Name]
		switch {
		case isSetting && s.Choices != nil:
			_ = cmd.RegisterFlagCompletionFunc(f.Name, chosenFrom(s.Choices))
		case strings.HasPrefix(f.Usage, "directory"):
			_ = cmd.MarkFlagDirname(f.Name)
		case !slices.Contains([]string{"path", "path|off", "string", "stringArray", "resources"}, f.Value.Type()):
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	})
	if cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, " ") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, below := range cmd.Commands() {
		completions(below)
	}
}

// chosenFrom completes one of those words, or a list of them.
func chosenFrom(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		list := typed[:strings.LastIndex(typed, ",")+1]
		var all []string
		for _, w := range words {
			if !slices.Contains(strings.Split(list, ","), w) {
				all = append(all, list+w)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeWait is how long a shell waits for the daemon: whoever has pressed a
// key wants an answer.
const completeWait = time.Second

// containerNames completes names that the running daemon knows: of the containers
// that were killed, or of those that are there, with their executors and tasks.
func containerNames(killed bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
		defer cancel()
		c, err := operator(cmd)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		st, err := c.Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := presentNames(st)
		if killed {
			names = killedNames(st)
		}
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}

func presentNames(st *control.Status) (names []string) {
	for i := range st.Containers {
		c := &st.Containers[i]
		names = append(names, c.ID)
		if c.Executor == nil {
			continue
		}
		names = append(names, c.Executor.ExecutorID)
		for k := range c.Executor.Tasks {
			names = append(names, c.Executor.Tasks[k].ID)
		}
	}
	return names
}

func killedNames(st *control.Status) (names []string) {
	for i := range st.Kills {
		k := &st.Kills[i]
		names = append(names, k.ID, k.ExecutorID)
		for t := range k.Tasks {
			names = append(names, k.Tasks[t].ID)
		}
	}
	return names
}
