package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	sysignal "os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// fleetCommand is the command "replay fleet".
func fleetCommand() *cobra.Command {
	req := FleetRequest{Estimator: "tce"}
	var sizes []int
	var file, page string
	var hold time.Duration
	var asJSON, markdown bool
	cmd := &cobra.Command{
		Use:   "fleet --trace FILE [--trace FILE ...] --nodes N[,N...]",
		Short: "Simulate what a fleet of daemons does to its master",
		Long: `Simulate a fleet and its master: what they would hear of each other, what becomes
of best-effort tasks, and whether roles still get their share.

Each node plays a stretch of a node of the traces, drawn at random, under the
daemon's own estimator and policy. The master is a model: reports and rescinds,
allocation each second by dominant share over a tree of roles with weights and a
guarantee, filters, a failover with all agents registering again, and a rise of
demand by half on all nodes for ten minutes. The same seed gives the same
numbers. Ctrl-C prints what is known so far.`,
		Example: `  estimatord replay fleet --trace a.csv.gz --trace b.csv.gz --nodes 10,100,1000
  estimatord replay fleet --trace a.csv.gz --nodes 1000 --hold 5m --html fleet.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := fleetPolicy(file)
			if err != nil {
				return err
			}
			req.Policy, req.Governor, req.Progress = p, governorHolding(hold), TerminalProgress(os.Stderr)
			ctx, stop := sysignal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			var fleets []*FleetReport
			for _, n := range sizes {
				req.Nodes = n
				r, err := SimulateFleet(ctx, &req)
				if err != nil {
					return fmt.Errorf("%d nodes: %w", n, err)
				}
				fleets = append(fleets, r)
				if r.CutShort {
					break
				}
			}
			if page != "" {
				if err := replaceFile(page, fleetPage(fleets)); err != nil {
					return fmt.Errorf("page: %w", err)
				}
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(fleets)
			}
			return errors.Join(writeFleets(cmd.OutOrStdout(), fleets, markdown), cutShort(fleets))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&req.Traces, "trace", nil, "trace to draw nodes from; may be given several times, each is drawn as often")
	f.IntSliceVar(&sizes, "nodes", []int{100}, "sizes of the fleets, one after the other")
	f.Uint64Var(&req.Seed, "seed", 1, "what nodes and arrivals are drawn with")
	f.DurationVar(&req.WarmUp, "warm-up", 30*time.Minute, "time at the start that is not counted")
	f.DurationVar(&req.Span, "span", time.Hour, "time that is counted")
	f.DurationVar(&req.Tick, "tick", agentReport, "interval of the daemons and of the agents' reports")
	f.DurationVar(&req.Length, "task-length", 30*time.Minute, "length of the best-effort tasks of one core")
	f.Float64Var(&req.Load, "load", 0.5, "what best-effort tasks would need, as a share of what regular containers are allocated")
	f.DurationVar(&req.Failover, "failover", 15*time.Minute, "when the master fails over; negative: never")
	f.DurationVar(&req.Rise, "rise", 40*time.Minute, "when demand rises on all nodes; negative: never")
	f.BoolVar(&req.Without, "without", false, "no daemon runs and no task asks for revocable resources, to compare")
	f.DurationVar(&hold, "hold", -1, "time of which the governor offers the least target (default: that of the daemon)")
	f.StringVar(&file, "policy", "", "policy `file` of the daemons (default: kill while the node's CPUs are nine tenths busy)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&markdown, "markdown", false, "print a Markdown table")
	f.StringVar(&page, "html", "", "also write a self-contained page with plots to this `file`")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	_ = cmd.MarkFlagRequired("trace") // the flag is defined above
	return cmd
}

// fleetPolicy is that of the file, or one rule.
func fleetPolicy(file string) (*policy.Policy, error) {
	if file != "" {
		f, err := config.LoadPolicy(file)
		if err != nil {
			return nil, err
		}
		return f.Policy, nil
	}
	p := policy.DefaultPolicy()
	p.Rules = []policy.Rule{{Name: "cpu", Signal: signal.NodeCPU, Above: 0.9, Clear: 0.85, For: agentReport, Settle: agentReport, Action: policy.Kill, Immediate: true}}
	return &p, p.Validate(signal.Specs())
}

// cutShort is the error of a simulation that was ended before its time.
func cutShort(fleets []*FleetReport) error {
	if n := len(fleets); n > 0 && fleets[n-1].CutShort {
		return fmt.Errorf("%w: %d nodes after %s", ErrCutShort, fleets[n-1].Nodes, fleets[n-1].Span)
	}
	return nil
}
