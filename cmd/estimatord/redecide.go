package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
	"github.com/estimatord/estimatord/internal/replay"
	"github.com/estimatord/estimatord/internal/replay/predict"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
)

// errDiffers says that a replay came to other decisions.
var errDiffers = errors.New("the decisions came out otherwise")

// errNotCompared says that a replay has shown nothing.
var errNotCompared = errors.New("no decision could be compared: is the recording of the same run as the decision log?")

func newRedecide() *cobra.Command {
	var log, recording string
	var policies []string
	cmd := &cobra.Command{
		Use:   "decisions --decisions DIR --recording DIR [settings of the daemon]",
		Short: "Decide a recorded run again and compare",
		Long: `decisions runs the daemon's own code over a recording (estimatord record), with
the settings that the daemon had, and compares what it decides with the decision
log of that run (decisions.dir), byte for byte. Where the policy was changed
while it ran, name the others with --also-policy. The exit code is 1 when a line
differs, or none could be compared.`,
		Example: "  estimatord replay decisions --recording recording --policy policy.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := config.Load(cmd.Flags(), os.Environ(), config.Read)
			if err != nil {
				return usageError{err}
			}
			req := replay.DecisionsRequest{Recording: recording, Log: log, Progress: replay.TerminalProgress(os.Stderr)}
			req.Estimator = func(seed uint64) (estimator.Estimator, error) {
				return daemon.NewEstimator(&cfg, seed)
			}
			if cfg.Policy != "" {
				policies = append(policies, cfg.Policy)
			}
			for _, path := range policies {
				file, err := config.LoadPolicy(path)
				if err != nil {
					return usageError{err}
				}
				p := file.Policy
				p.Fresh = policy.Fresh{Usage: cfg.UsageStaleAfter, Sample: cfg.SampleStaleAfter}
				req.Policies = append(req.Policies, p)
			}
			r, err := replay.Decisions(&req)
			if err != nil {
				return err
			}
			return compared(cmd.OutOrStdout(), r)
		},
	}
	config.Flags(cmd.Flags())
	cmd.Flags().StringVar(&log, "decisions", defaultDecisions, "directory of the decision log")
	cmd.Flags().StringVar(&recording, "recording", "", "directory of the recording")
	cmd.Flags().StringArrayVar(&policies, "also-policy", nil, "another policy `file` that was in force; may be given several times")
	_ = cmd.MarkFlagRequired("recording") // the flag is defined above
	return cmd
}

func compared(w io.Writer, r *replay.DecisionsReport) error {
	_, err := fmt.Fprintf(w, "%d ticks of %d starts decided again, %d as in the log; %d are not in the log, %d lines could not be decided again\n",
		r.Ticks, r.Starts, r.Same, r.Unlogged, r.Unrecorded)
	for _, end := range r.Ends {
		_, err = fmt.Fprintln(w, "stopped:", end)
	}
	if r.First != nil {
		return fmt.Errorf("%w: %s", errDiffers, r.First)
	}
	if r.Same == 0 { // nothing was shown to be right either
		return errNotCompared
	}
	return err
}

// newReplay is the command replay with what needs the daemon's settings.
func newReplay() *cobra.Command {
	cmd := replay.Command()
	_ = cmd.RegisterFlagCompletionFunc("estimator", chosenFrom(predict.Predictors().Names()))
	_ = cmd.RegisterFlagCompletionFunc("resource", chosenFrom([]string{resources.CPUs, resources.Mem}))
	cmd.AddCommand(newRedecide())
	return cmd
}
