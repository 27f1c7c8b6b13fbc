package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
)

// defaultDecisions is where the unit has the daemon keep its decision log.
const defaultDecisions = "/var/lib/estimatord/decisions"

// find is the settings of this node's daemon, found as it finds them itself: by
// those of its flags that cmd has, the environment and the file. What the daemon
// would refuse is told and passed over: it may still run with what was there
// before.
func find(cmd *cobra.Command) (*config.Config, error) {
	cfg, _, err := config.Load(cmd.Flags(), os.Environ(), config.Read)
	if unread := (*fs.PathError)(nil); errors.As(err, &unread) {
		return nil, usageError{err}
	}
	if err != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "estimatord: a daemon would refuse these settings:\n%s\n", err)
	}
	cfg.Decisions.Dir = cmp.Or(cfg.Decisions.Dir, defaultDecisions)
	return &cfg, nil
}

// errOff says that the daemon was told to serve no operator.
var errOff = errors.New("operator_socket is off in the settings: no command reaches the daemon")

// operator is the daemon of this node.
func operator(cmd *cobra.Command) (control.Client, error) {
	cfg, err := find(cmd)
	switch {
	case err != nil:
		return "", err
	case cfg.OperatorAt() == config.Off:
		return "", errOff
	}
	return control.Client(cfg.OperatorAt()), nil
}

// callFlags gives cmd the flags by which operator finds the daemon.
func callFlags(cmd *cobra.Command) { config.Flags(cmd.Flags(), "config", "operator_socket") }
