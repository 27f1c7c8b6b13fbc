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
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "offers",
		Short: "Show what each agent offers, regular and revocable",
		Long: `offers registers, collects offers for a moment, and gives them back. What another
framework holds at that moment is not seen.`,
		Args: cobra.NoArgs,
	}
	c.ask(cmd, func(ctx context.Context, client *scheduler.Client, _ []string) error {
		info, err := c.framework()
		if err != nil {
			return err
		}
		s, err := client.Subscribe(ctx, info)
		if err != nil {
			return err
		}
		defer s.Close()
		offers, err := collect(cmd.Context(), s, wait)
		if err != nil {
			return err
		}
		all, rows := []agentOffers{}, [][]string{{"HOST", "REGULAR", "REVOCABLE", "RES-TYPE", "AGENT"}}
		for _, a := range placement.Agents(offers) {
			o := offered(a)
			all = append(all, o)
			rows = append(rows, []string{o.Hostname, o.Regular.String(), o.Revocable.String(), o.ResType, o.AgentID})
		}
		if len(all) == 0 {
			tell(cmd.ErrOrStderr(), "nothing was offered to role %s within %s", c.role, wait)
		}
		return c.print(cmd, all, rows)
	})
	c.roleFlags(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 3*time.Second, "how long offers are collected")
	return cmd
}

// collect takes offers for as long as wait, and ends the framework, which gives
// them back.
func collect(ctx context.Context, s *scheduler.Stream, wait time.Duration) (offers []scheduler.Offer, err error) {
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
			err = ctx.Err()
		}
		if wrong := s.Call(context.WithoutCancel(ctx), scheduler.Call{Type: "TEARDOWN"}); wrong != nil {
			err = wrong
		}
		return offers, err
	}
}

func offered(a *placement.Agent) agentOffers {
	o := agentOffers{AgentID: a.ID, Hostname: a.Hostname}
	for _, offer := range a.Offers {
		for i := range offer.Resources {
			of := map[placement.Kind]*resources.Quantities{placement.Regular: &o.Regular, placement.Revocable: &o.Revocable}
			if r := &offer.Resources[i]; r.Scalar != nil {
				of[placement.KindOf(r)].Add(r.Name, resources.FloorMilli(r.Scalar.Value))
			}
		}
	}
	o.ResType = map[[2]bool]string{
		{true, true}: "any", {true, false}: "regular", {false, true}: "revocable", {}: "unknown",
	}[[2]bool{!o.Regular.IsZero(), !o.Revocable.IsZero()}]
	return o
}
