package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/placement"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// agentOffers is what one agent offers.
type agentOffers struct {
	AgentID   string               `json:"agent_id"`
	Hostname  string               `json:"hostname"`
	Regular   resources.Quantities `json:"regular"`
	Revocable resources.Quantities `json:"revocable"`
	// ResType is regular, revocable, any for both, and unknown for none.
	ResType string `json:"res_type"`
}

func newOffers() *cobra.Command {
	var c cluster
	var as, role string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "offers",
		Short: "Show what each agent offers, regular and revocable",
		Long: `offers registers, collects offers for a moment, and gives them back. What another
framework holds at that moment is not seen.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			info, err := c.framework(client, as, role)
			if err != nil {
				return err
			}
			offers, err := collect(cmd.Context(), client, info, c.timeout, wait)
			if err != nil {
				return err
			}
			all, rows := []agentOffers{}, [][]string{{"HOST", "REGULAR", "REVOCABLE", "RES-TYPE", "AGENT"}}
			for _, a := range placement.Agents(offers) {
				o := offered(a)
				all = append(all, o)
				rows = append(rows, []string{o.Hostname, o.Regular.String(), o.Revocable.String(), o.ResType, o.AgentID})
			}
			if len(all) == 0 && !c.asJSON {
				tell(cmd.ErrOrStderr(), "nothing was offered to role %s within %s", role, wait)
			}
			return c.print(cmd, all, rows)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&role, "role", "*", "role that asks")
	cmd.Flags().StringVar(&as, "user", "", "user to register as (default: who calls mesos-run)")
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Second, "how long offers are collected")
	return cmd
}

// collect subscribes, takes offers for as long as wait, and is gone again, which
// gives them back.
func collect(ctx context.Context, client *scheduler.Client, info scheduler.FrameworkInfo, connect, wait time.Duration) ([]scheduler.Offer, error) {
	short, cancel := context.WithTimeout(ctx, connect)
	defer cancel()
	s, err := client.Subscribe(short, info)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var offers []scheduler.Offer
	for over := time.After(wait); ; {
		select {
		case e, more := <-s.Events:
			switch {
			case !more:
				return nil, s.Err()
			case e.Type == "OFFERS":
				offers = append(offers, e.Offers.Offers...)
			case e.Type == "RESCIND":
				offers = slices.DeleteFunc(offers, func(o scheduler.Offer) bool { return o.ID == e.Rescind.OfferID })
			case e.Type == "ERROR":
				return nil, &scheduler.RefusedError{Text: e.Error.Message}
			}
			continue
		case <-over:
		case <-ctx.Done():
		}
		if err := s.Call(context.WithoutCancel(ctx), scheduler.Call{Type: "TEARDOWN"}); err != nil {
			return nil, err
		}
		return offers, ctx.Err()
	}
}

func offered(a *placement.Agent) agentOffers {
	o := agentOffers{AgentID: a.ID, Hostname: a.Hostname, ResType: "unknown"}
	for _, offer := range a.Offers {
		for i := range offer.Resources {
			if r := &offer.Resources[i]; r.Scalar == nil {
			} else if placement.KindOf(r) == placement.Revocable {
				o.Revocable.Add(r.Name, resources.FloorMilli(r.Scalar.Value))
			} else {
				o.Regular.Add(r.Name, resources.FloorMilli(r.Scalar.Value))
			}
		}
	}
	switch regular, revocable := !o.Regular.IsZero(), !o.Revocable.IsZero(); {
	case regular && revocable:
		o.ResType = "any"
	case regular:
		o.ResType = "regular"
	case revocable:
		o.ResType = "revocable"
	}
	return o
}
