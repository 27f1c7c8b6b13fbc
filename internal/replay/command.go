package replay

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
)

// commandHelp is the long help of the command.
const commandHelp = `Replay recorded usage through the estimators and judge them by what really
came: how much they would have saved, how often demand rose above what they
predicted, and with a policy what best-effort tasks on the offered slack would
have done.

A trace is a CSV file, gzipped or not, with the header
  ` + Header + `
and rows sorted by node, container and time (cores, MiB; a row is the mean
usage over the step that ends at its time); or a directory that the daemon
recorded into (recording.dir).

An estimator is the name of a predictor, with settings after colons:
  --estimator tce,node-max:window=24h:margin=0.1
Settings: window, horizon, margin, share, percentile, target, early.`

// Command is the command "replay". It prints to the command's output.
func Command() *cobra.Command {
	req := Request{}
	var out outputs
	var hold time.Duration
	var policy string
	var cost bool
	cmd := &cobra.Command{
		Use:   "replay --trace FILE [--trace FILE ...]",
		Short: "Judge estimators on recorded usage",
		Long:  commandHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.Timelines = out.html != ""
			req.Governor = governorHolding(hold)
			if cost {
				began := time.Now()
				req.Stopwatch = func() int64 { return time.Since(began).Nanoseconds() }
			}
			if policy != "" {
				file, err := config.LoadPolicy(policy)
				if err != nil {
					return err
				}
				req.Policy = file.Policy
			}
			req.Progress = TerminalProgress(os.Stderr)
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			req.Context = ctx
			report, err := Run(&req)
			if report == nil {
				return err
			}
			return errors.Join(out.write(cmd, report), err)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&req.Traces, "trace", nil, "trace to replay; may be given several times")
	f.StringSliceVar(&req.Resources, "resource", nil, "cpus, mem or both (default: what the trace has)")
	f.DurationSliceVar(&req.Horizons, "horizon", nil, "how far ahead to look (default 5m,1h; steps below a minute: one step,5m,15m)")
	f.StringSliceVar(&req.Estimators, "estimator", []string{"tce", "node-max", "koordinator", "n-sigma", "fixed-share"}, "estimators to compare")
	req.TargetViolation = 0.01
	share(f, &req.TargetViolation, "target-violation", "`share` of steps that may exceed the prediction (default 1%)")
	share(f, &req.EarlyTarget, "early-target-violation", "the `share` for the first 24 hours (default: 0.4 of the other)")
	f.BoolVar(&req.OneInstance, "one-instance", false, "make estimators for the longest horizon and score them on all")
	f.DurationVar(&req.BurnIn, "burn-in", -1, "time at the start that is not scored (default 24h; a sixth of traces shorter than four days)")
	f.DurationVar(&req.Until, "until", 0, "end the replay so long after the start of a trace")
	f.StringVar(&policy, "policy", "", "also run the whole loop, estimator and policy, with this policy `file` (CPU only)")
	f.DurationVar(&req.BestEffort, "best-effort", 30*time.Minute, "length of the best-effort tasks of the whole loop; at most 5m on traces with steps below a minute")
	f.DurationVar(&req.Tick, "tick", defaultTick, "the daemon's interval in the whole loop")
	f.BoolVar(&cost, "cost", false, "also measure what a prediction costs (not reproducible)")
	f.DurationVar(&hold, "hold", -1, "time of which the governor offers the least target (default: that of the daemon)")
	f.DurationVar(&req.Step, "step", DefaultStep, "what the ticks of a recording are put together to, in whole seconds")
	f.BoolVar(&req.SkipMalformed, "skip-malformed", false, "leave malformed rows out and count them, instead of refusing the trace")
	f.BoolVar(&req.AllowGaps, "allow-gaps", false, "take traces in which nothing is for more than 30 days, instead of refusing them")
	f.BoolVar(&out.json, "json", false, "print JSON")
	f.BoolVar(&out.markdown, "markdown", false, "print Markdown tables")
	f.StringVar(&out.html, "html", "", "also write a self-contained page with plots to this `file`")
	f.StringVar(&out.update, "update", "", "also replace a generated section of a Markdown `file#section` by the tables")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	_ = cmd.MarkFlagRequired("trace") // the flag is defined above
	cmd.AddCommand(importCommand(), fleetCommand(), reservationsCommand())
	return cmd
}

// governorHolding is the daemon's governor with another Hold; negative: its own.
func governorHolding(hold time.Duration) func(string) estimator.GovernorConfig {
	return func(resource string) estimator.GovernorConfig {
		g := estimator.DefaultGovernor(resource)
		if hold >= 0 {
			g.Hold = hold
		}
		return g
	}
}

// outputs are the forms in which a report is wanted.
type outputs struct {
	json, markdown bool
	html, update   string
}

func (o *outputs) write(cmd *cobra.Command, r *Report) error {
	if o.html != "" {
		if err := replaceFile(o.html, r.WriteHTML); err != nil {
			return fmt.Errorf("page: %w", err)
		}
	}
	if o.update != "" {
		path, section, _ := strings.Cut(o.update, "#")
		if err := updateFile(path, section, r); err != nil {
			return err
		}
	}
	w := cmd.OutOrStdout()
	switch {
	case o.json:
		return r.WriteJSON(w)
	case o.markdown:
		return r.WriteMarkdown(w)
	default:
		return r.WriteText(w)
	}
}

// share is a flag that takes a number or percents.
func share(f *pflag.FlagSet, to *float64, name, usage string) {
	f.Func(name, usage, func(s string) (err error) {
		*to, err = config.ParseShare(s)
		return err
	})
}
