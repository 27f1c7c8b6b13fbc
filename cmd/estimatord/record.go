package main

import "github.com/spf13/cobra"

func newRecord() *cobra.Command {
	return newGroup("record", "Show or export what the daemon recorded",
		`With recording.dir set, the daemon also writes every reading and every report of
the agent into that directory. It holds the ids, names, roles and labels of tasks,
and no command line or environment.`, newRecordShow())
}
