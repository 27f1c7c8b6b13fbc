package estimator_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
)

// Modes noop and fixed show, tick by tick, what mode usage would offer, and offer
// what they did before.
func TestShowingWhatAnotherModeWouldOffer(t *testing.T) {
	two := resources.Quantities{{Name: resources.CPUs, Amount: 2000}}
	for name, newMain := range map[string]func() estimator.Estimator{
		"noop": estimator.NewNoop, "fixed": func() estimator.Estimator { return estimator.NewFixed(two) },
	} {
		t.Run(name, func(t *testing.T) {
			newUsage := func() estimator.Estimator {
				u, err := estimator.NewUsage(direct())
				if err != nil {
					t.Fatal(err)
				}
				return u
			}
			alone, usage, both := newMain(), newUsage(), estimator.NewShowing(newMain(), newUsage())
			var last estimator.Offer
			for i := range 60 {
				s := scene(time.Unix(1_000_000+int64(i), 0), web(1), db(0.5))
				both.Feedback(estimator.Feedback{StopOffer: i == 30})
				usage.Feedback(estimator.Feedback{StopOffer: i == 30})
				alone.Feedback(estimator.Feedback{StopOffer: i == 30})
				last = both.Estimate(s, nil)
				if diff := cmp.Diff(usage.Estimate(s, nil).Resources, last.Would); diff != "" {
					t.Fatalf("at %d s (-want +got):\n%s", i, diff)
				}
				if diff := cmp.Diff(alone.Estimate(s, nil).Resources, last.Resources); diff != "" || last.ValidFor != 0 || last.Report != nil {
					t.Fatalf("at %d s the offer is another one (-want +got):\n%s", i, diff)
				}
			}
			if w := last.Would[0]; w.Offered == 0 || w.Estimate == nil || w.Slack == 0 {
				t.Errorf("nothing would be offered: %+v", w)
			}

			// What was learned is there when the mode is changed.
			kept := both.Save()
			if err := newUsage().Restore(kept); err != nil {
				t.Errorf("mode usage goes not on from it: %v", err)
			}
			if err := estimator.NewShowing(newMain(), newUsage()).Restore(kept); err != nil {
				t.Errorf("a restart: %v", err)
			}
		})
	}
}
