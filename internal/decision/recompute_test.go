package decision_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Offers that no governor makes follow from their line as well.
func TestOffersWithoutAGovernorAreRecomputed(t *testing.T) {
	total := resources.Quantities{{Name: resources.CPUs, Amount: 4000}}
	for name, c := range map[string]struct {
		estimator estimator.Estimator
		allocated resources.Milli
		stop      bool
		total     resources.Milli
		offered   resources.Milli
		why       string
	}{
		"fixed":                    {estimator.NewFixed(total), 1500, false, 4000, 2500, "fixed"},
		"fixed, more is allocated": {estimator.NewFixed(total), 5000, false, 4000, 0, "fixed"},
		"fixed, stopped":           {estimator.NewFixed(total), 1500, true, 1500, 0, "stopped"},
		"noop":                     {estimator.NewNoop(), 1500, false, 0, 0, "noop"},
		"usage, nobody reported":   {newEstimator(t), -1, false, 0, 0, "no_agent"},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Unix(1_000_000, 0)
			s := &snapshot.Snapshot{Seq: 1, At: at, TreeWhy: snapshot.Present}
			if c.allocated >= 0 {
				s.Usage = &snapshot.Usage{At: at, DroppedRevocable: resources.Quantities{{Name: resources.CPUs, Amount: c.allocated}}}
			}
			c.estimator.Feedback(estimator.Feedback{StopOffer: c.stop})
			var m decision.Maker
			r := m.Make(&decision.Tick{Input: qos.Input{Snapshot: s}, Decision: qos.Decision{}, Offer: c.estimator.Estimate(s, nil)})
			l, text := through(t, r)
			o := &l.Offer.Resources[0]
			got := recompute(o)
			if got.total != c.total || got.offered != c.offered || string(got.why) != c.why || got.total != o.RevocableTotal || got.offered != o.Offered {
				t.Errorf("recomputed %+v from\n%s", got, text)
			}
			if l.PolicyHash != policy.NoHash {
				t.Errorf("policy %q", l.PolicyHash)
			}
		})
	}
}

// All containers are weighed at once, then every minute, and sooner when one
// came.
func TestContainersAreWeighedAtTimes(t *testing.T) {
	p := policy.DefaultPolicy()
	r := signal.Of(signal.NodeCPU).Rule()
	r.Name = "busy"
	p.Rules = []policy.Rule{r}
	var m decision.Maker
	containers := []snapshot.Container{{Key: snapshot.Key{ID: "a", Inode: 1}, OnDisk: true}}
	var weighed []int
	for second := range 200 {
		switch second {
		case 3, 100:
			containers = append(containers, snapshot.Container{Key: snapshot.Key{ID: "b", Inode: uint64(second)}, OnDisk: true})
		}
		at := time.Unix(1_000_000+int64(second), 0)
		s := &snapshot.Snapshot{At: at, TreeWhy: snapshot.Present, Usage: &snapshot.Usage{At: at}, Containers: containers}
		if second == 70 {
			s.TreeWhy = snapshot.Denied // nobody can be told apart, so at the next
		}
		if m.Make(&decision.Tick{Policy: &p, Input: qos.Input{Snapshot: s}}).Weighed {
			weighed = append(weighed, second)
		}
	}
	want := []int{0, 10, 71, 100, 160}
	if len(weighed) != len(want) {
		t.Fatalf("weighed at %v, want %v", weighed, want)
	}
	for i := range want {
		if weighed[i] != want[i] {
			t.Fatalf("weighed at %v, want %v", weighed, want)
		}
	}
}
