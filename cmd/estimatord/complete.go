package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/config"
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
