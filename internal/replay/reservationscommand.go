package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// reservationsCommand is the command "replay reservations".
func reservationsCommand() *cobra.Command {
	s := Synthetic{}
	o := ReservationOptions{}
	var history, out string
	var holdOff time.Duration
	var keep float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reservations [--history FILE]",
		Short: "See what lending reservations costs their owners",
		Long: `Replay a history of reservations through the daemon's own estimator (mode
allocation) and its rule that gives them back. Best-effort tasks of one core
take all that is offered; owners launch on their reservations, and what counts
is whether one waits for its CPU for longer than a second.

A history is a CSV file with the header
  ` + ReservationHeader + `
and rows in order of time: from that second on the role has so many cores
reserved, and so many of them allocated. Without one it is made up: roles of
Zipf's sizes come for their whole reservation and leave.`,
		Example: `  estimatord replay reservations --roles 12 --cores 64 --for 24h
  estimatord replay reservations --out history.csv
  estimatord replay reservations --history history.csv --keep 10%`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := s.orRead(history)
			if err != nil {
				return err
			}
			if out != "" {
				return replaceFile(out, func(w io.Writer) error { return WriteReservations(w, rows) })
			}
			p := policy.DefaultPolicy()
			if o.Policy, err = signal.WithReservation(&p); err != nil {
				return err
			}
			o.Config = allocationConfig(rows, holdOff, keep)
			score, err := EvaluateReservations(rows, o)
			if err != nil {
				return err
			}
			return score.write(cmd.OutOrStdout(), asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&history, "history", "", "history to replay")
	f.StringVar(&out, "out", "", "only write the history to this `file`")
	f.Uint64Var(&s.Seed, "seed", 1, "of what is made up")
	f.IntVar(&s.Roles, "roles", 8, "roles that are made up")
	f.Float64Var(&s.Cores, "cores", 32, "what is reserved to all of them together")
	f.DurationVar(&s.For, "for", 24*time.Hour, "length of the history")
	f.DurationVar(&s.Here, "here", 30*time.Minute, "mean time for which a role stays")
	f.DurationVar(&s.Away, "away", 2*time.Hour, "mean time for which a role is away")
	f.DurationVar(&o.Notice, "notice", 100*time.Millisecond, "how long after a launch the daemon knows what the owner has")
	f.DurationVar(&o.Length, "best-effort", 30*time.Minute, "length of the best-effort tasks")
	f.DurationVar(&holdOff, "hold-off", 5*time.Minute, "setting allocation.hold_off")
	share(f, &keep, "keep", "`share` of each reservation that stays free (default: 0)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// orRead is the history in the file, or the one that is made up.
func (s *Synthetic) orRead(name string) ([]ReservationRow, error) {
	if name == "" {
		if s.Roles < 1 || s.Roles > 1000 || !(s.Cores >= 1 && s.Cores <= 4096) || s.For < time.Minute || s.Here <= 0 || s.Away <= 0 {
			return nil, fmt.Errorf("%w: 1 to 1000 roles on 1 to 4096 cores for a minute at least", ErrOptions)
		}
		return s.Rows(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := ReadReservations(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rows, nil
}

// allocationConfig is that of a daemon, for cpus.
func allocationConfig(rows []ReservationRow, holdOff time.Duration, keep float64) estimator.AllocationConfig {
	usage := estimator.DefaultUsage()
	g := estimator.DefaultGovernor(resources.CPUs)
	g.HoldOff, g.HoldOffMax = holdOff, max(g.HoldOffMax, holdOff)
	a := estimator.AllocationConfig{
		Resources:        []estimator.AllocationResource{{Name: resources.CPUs, Governor: g}},
		ReportStaleAfter: usage.ReportStaleAfter, SampleStaleAfter: usage.SampleStaleAfter,
	}
	for i := range rows {
		a.Roles.Keep = append(a.Roles.Keep, estimator.Keep{Role: rows[i].Role, Share: keep}) // the first of a role counts
	}
	return a
}

func (s *ReservationScore) write(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	_, err := fmt.Fprintf(out, `reserved               %.0f core-hours in %.1f h
reserved, unallocated  %.0f core-hours
  offered              %.1f %%
  used                 %.1f %%
owners' launches       %d
  waited for over 1 s  %d (%.2f %%), %.1f s at the most
best-effort tasks      %d started, %d killed
`,
		s.ReservedHours, s.Hours, s.IdleHours, 100*s.OfferedShare, 100*s.UsedShare, s.Launches,
		s.Violations, 100*ratio(float64(s.Violations), cmp.Or(float64(s.Launches), 1)), s.MaxWaitSeconds, s.Started, s.Kills)
	return err
}
