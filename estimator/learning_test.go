package estimator_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// With the defaults, a service of one core that uses a tenth of it leaves
// something to offer within two minutes, and the estimate says for how long yet
// it goes by other machines.
func TestAnIdleServiceIsOfferedSoon(t *testing.T) {
	for uses, soon := range map[float64]time.Duration{0.1: 2 * time.Minute, 0.2: 2 * time.Minute} {
		e := mustUsage(t, estimator.DefaultUsage())
		start := time.Unix(1_000_000, 0)
		var first time.Duration
		for at := time.Duration(0); at <= 40*time.Minute; at += time.Second {
			idle := actor{id: "a-idle", class: snapshot.ClassRegular, regular: 1000, uses: uses, age: at}
			o := e.Estimate(scene(start.Add(at), idle)).Resources[0]
			if o.Estimate == nil {
				t.Fatalf("blind at %s: %s", at, o.Why)
			}
			if first == 0 && o.Offered > 0 {
				first = at
				if o.CalibratingSeconds < 600 || o.CalibratingSeconds > 1800 {
					t.Errorf("calibrating for %v s yet, want about 20 minutes", o.CalibratingSeconds)
				}
			}
			if at == 40*time.Minute && o.CalibratingSeconds != 0 {
				t.Errorf("still calibrating for %v s", o.CalibratingSeconds)
			}
		}
		if first == 0 || first > soon {
			t.Errorf("a service that uses %v of 1 core: first offer after %s, want within %s", uses, first, soon)
		}
	}
}

// Where other machines' rises leave nothing, the reason is that the node is still
// learned, and not that its containers need all they have.
func TestNothingToOfferWhileLearning(t *testing.T) {
	cfg := direct()
	cfg.Resources = []estimator.ResourceConfig{estimator.DefaultResource(resources.Mem)}
	cfg.Resources[0].Governor = direct().Resources[0].Governor
	e := mustUsage(t, cfg)
	at := time.Unix(1_000_000, 0)
	var o estimator.ResourceOffer
	for i := range 30 {
		o = e.Estimate(scene(at.Add(time.Duration(i)*time.Second), web(0.1))).Resources[0]
	}
	if o.Offered != 0 || o.Why != reason.Learning || o.CalibratingSeconds < 3600 {
		t.Errorf("%+v, want nothing, for more than an hour, while learning", o)
	}
}
