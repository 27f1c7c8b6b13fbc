//go:build man

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// forPackages are the commands that only a build for packages has: what makes man
// pages would be a thirtieth of the program.
func forPackages() []*cobra.Command {
	return []*cobra.Command{{
		Use:    "man DIR",
		Short:  "Write a man page for each command into a directory",
		Hidden: true,
		Args:   one("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true                       // the date of a build would make each one another
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // pages are for everybody
				return err
			}
			return doc.GenManTree(root, &doc.GenManHeader{Section: "8", Source: "estimatord " + version, Manual: "estimatord"}, args[0])
		},
	}}
}
