package main

import (
	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/top"
)

func newTop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the running daemon in a terminal",
		Long: `top shows, live, whether all is well, what is offered, who uses the node, the
rules, and a table of the containers or of the last kills. Enter explains the
one that is marked: why it is not killed, or why it was. In the line for the
capacity R is regular use, V revocable use, x use outside the containers, o what
is offered. When the daemon goes away, top waits for it.

Keys: q quit, up and down, enter explain, o explain the offer, tab the other
table, s sort by another column, r reverse, / filter, esc back.

It needs root, or the user that the daemon runs as.`,
		Example: `  estimatord top
  ssh -t node7 sudo estimatord top`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := operator(cmd)
			if err != nil {
				return err
			}
			return top.Run(cmd.Context(), c, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	callFlags(cmd)
	return cmd
}
