package tick

import (
	"log/slog"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// reserved says in the last report that 3 cores are role web's, and how much of
// them it has.
func (n *node) reserved(allocated resources.Milli) {
	n.report.Reservations = []snapshot.Reservation{{
		Role: "web", Reserved: resources.Quantities{{Name: resources.CPUs, Amount: 3000}}, Allocated: resources.Quantities{{Name: resources.CPUs, Amount: allocated}},
	}}
}

// Best-effort work runs on the reservation of an absent owner. He comes: it is
// throttled to what is left at once, and killed when it does not go. He leaves, and
// after the hold-off the slack is offered again.
func TestReservationIsGivenBack(t *testing.T) {
	p := policy.DefaultPolicy()
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	with, err := signal.WithReservation(&p)
	if err != nil || len(with.Rules) != 2 || len(p.Rules) != 0 {
		t.Fatalf("%d rules, %v", len(with.Rules), err)
	}
	e, err := estimator.NewAllocation(estimator.AllocationConfig{
		Resources: []estimator.AllocationResource{{Name: resources.CPUs, Governor: estimator.GovernorConfig{
			Quantum: 100, Step: 3000, HoldOff: 20 * time.Second, HoldOffMax: time.Minute,
		}}},
		ReportStaleAfter: 45 * time.Second, SampleStaleAfter: 10 * time.Second,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, h := newNode(), &hands{}
	l := New(Config{Sampler: n, Agent: n, Estimator: e, Policies: Always{with}, Actor: h, Log: slog.New(slog.DiscardHandler)})
	n.reports()
	n.reserved(0)
	n.until(t, l, "all of the reservation is offered", 5, func(r *decision.Record) bool { return r.Offer.Resources[0].Offered == 3000 })

	n.run("spark", 2)
	n.busy = 2
	n.reports(executor("spark", 0, 2000))
	n.reserved(0)
	for range 10 {
		if r := n.tick(l); len(h.wanted.Throttles) > 0 || len(n.killed) > 0 || r.Offer.Resources[0].Offered != 1000 {
			t.Fatalf("nobody has come: %+v, %+v", h.wanted, r.Offer.Resources[0])
		}
	}

	// 2.5 of 3 are the owner's: half a core is left.
	n.run("web", 0.5)
	n.busy = 2.5
	n.reports(executor("spark", 0, 2000), executor("web", 2500, 0))
	n.reserved(2500)
	n.tick(l) // sees that he came
	n.tick(l)
	if len(h.wanted.Throttles) != 1 || h.wanted.Throttles[0].Victim.Key().ID != "spark" || h.wanted.Throttles[0].Cores > 0.5 {
		t.Fatalf("throttled %+v, want spark to 0.5 cores at most", h.wanted.Throttles)
	}
	if n.offer.Resources[0].Offered != 0 {
		t.Errorf("offered %v", n.offer.Resources[0].Offered)
	}
	n.run("spark", 0.02) // no more than its throttle lets it; what it was given is the owner's
	n.busy = 3
	n.until(t, l, "spark is killed", 8, func(*decision.Record) bool { return len(n.killed) == 1 })
	if n.killed[0].Key().ID != "spark" {
		t.Fatalf("killed %v", n.killed[0].Key())
	}

	n.stop("spark")
	n.stop("web")
	n.inFlight, n.busy = nil, 0
	n.reports()
	n.reserved(0)
	if ticks := n.until(t, l, "the slack is back", 120, func(r *decision.Record) bool { return r.Offer.Resources[0].Offered == 3000 }); ticks < 10 {
		t.Errorf("offered again after %d s", ticks)
	}
	if len(n.killed) != 1 {
		t.Errorf("%d kills", len(n.killed))
	}
}
