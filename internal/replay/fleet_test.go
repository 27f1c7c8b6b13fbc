package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

func mustParseConfig() predict.Config { return predict.Config{Horizon: time.Minute} }

// scene is a master with one agent of 2 cores and 4 GiB that lends 4 cores, as
// that of the recordings.
func recorded(frameworks ...*framework) (*master, *agent) {
	m := newMaster(frameworks, 1)
	a := &agent{total: bundle{cpus: 2000, revocable: 4000, mem: 4096_000}}
	m.add(a)
	return m, a
}

// What a real master of Mesos 1.12-dev did in the recorded scenarios rescind,
// no-capability and offers-with-revocable: one rescind for a changed total and an
// offer of the new one within a second; none for who does not see revocable
// resources; after a decline an offer again when the filter is over or lifted.
func TestMasterCountsAsARealOne(t *testing.T) {
	t.Parallel()
	top := &role{name: "*", weight: 1}
	sees := &framework{role: top, revocable: true, hold: 1000, refuse: 1000}
	m, a := recorded(sees)
	m.second(0)
	if m.counts.Offers != 1 || a.offers[0].what != (bundle{2000, 4000, 4096_000}) {
		t.Fatalf("at first: %+v, %+v; want one offer of all", m.counts, a.offers)
	}
	m.update(a, 3000)
	if m.counts.Rescinds != 1 || m.counts.RegularRescinds != 1 || len(a.offers) != 0 || top.allocated != (bundle{}) {
		t.Errorf("4 to 3: %+v, want one rescind with the regular resources in it", m.counts)
	}
	m.second(1)
	if m.counts.Offers != 2 || a.offers[0].what != (bundle{2000, 3000, 4096_000}) {
		t.Errorf("after it: %+v, want the new total offered", a.offers)
	}
	m.update(a, 3000)
	if m.counts.Rescinds != 1 {
		t.Error("an update that changes nothing rescinds")
	}

	blind := &framework{role: top, hold: 1000, refuse: 1000}
	m, a = recorded(blind)
	m.second(0)
	m.update(a, 0)
	m.update(a, 4000)
	for now := 1; now < 10; now++ {
		m.second(now)
	}
	if m.counts.Rescinds != 0 || m.counts.Offers != 1 || a.offers[0].what.revocable != 0 {
		t.Errorf("without the capability: %+v, want one offer and no rescind", m.counts)
	}

	// Declined at 5 s for 3 s, then for 60 s, lifted at 30 s, then for the default.
	declines := &framework{role: top, revocable: true, hold: 5, refuse: 3}
	m, _ = recorded(declines)
	var at []int
	for now := range 40 {
		if now == 30 {
			m.revive(declines)
		}
		before := m.counts.Offers
		m.second(now)
		if m.counts.Offers > before {
			at = append(at, now)
			switch len(at) {
			case 2:
				declines.hold, declines.refuse = 0, 60
				m.agents[0].offers[0].until = now
			case 3:
				declines.refuse = refuseSeconds
				m.agents[0].offers[0].until = now
			}
		}
	}
	if want := []int{0, 8, 30, 36}; !reflect.DeepEqual(at, want) {
		t.Errorf("offers at %v s, the recorded master's were at 0.04, 8.7, 30.1 and 35.7", at)
	}
}

// After the daemon was stopped, the regular resources come alone, and what is
// lent later in an offer of its own: recorded scenario rescind-daemon-stopped.
func TestMasterOffersRevocableBesideAnOutstandingOffer(t *testing.T) {
	t.Parallel()
	m, a := recorded(&framework{role: &role{weight: 1}, revocable: true, hold: 1000})
	m.second(0)
	m.update(a, 0)
	m.second(1)
	m.update(a, 4000)
	m.second(2)
	if m.counts.Rescinds != 1 || m.counts.Offers != 3 || a.offers[0].what.revocable != 0 || a.offers[1].what != (bundle{revocable: 4000}) {
		t.Errorf("%+v, %+v; want one rescind and three offers, the last of revocable cpus only", m.counts, a.offers)
	}
}

func TestMasterSharesByWeightAndGuarantee(t *testing.T) {
	t.Parallel()
	parent, other := &role{weight: 1}, &role{weight: 2}
	low, high := &role{weight: 1, parent: parent}, &role{weight: 2, parent: parent}
	far := &role{weight: 1, parent: other}
	m := newMaster(nil, 1)
	m.total = bundle{cpus: 100_000, mem: 100_000}
	low.charge(bundle{cpus: 10_000}, 1)
	high.charge(bundle{revocable: 15_000}, 1) // counts as regular
	far.charge(bundle{mem: 40_000}, 1)        // the dominant share is that of memory
	for _, tc := range []struct {
		x, y *role
		want int
	}{{high, low, -1}, {low, high, 1}, {far, low, -1}} {
		if got := m.compare(tc.x, tc.y); got != tc.want {
			t.Errorf("%+v before %+v: %d, want %d", tc.x, tc.y, got, tc.want)
		}
	}
	low.guarantee = 20_000
	if m.compare(low, far) != -1 {
		t.Error("a role below its guarantee is not first")
	}
}

func smallFleet(t *testing.T) *FleetRequest {
	t.Helper()
	p, err := fleetPolicy("")
	if err != nil {
		t.Fatal(err)
	}
	return &FleetRequest{
		Traces: []string{write(t, "fleet.csv", synthetic{seed: 2, nodes: 3, steady: 6, fleeting: 4, steps: 200, interval: 300}.lines()...)},
		Nodes:  12, Seed: 3, WarmUp: 20 * time.Minute, Span: 40 * time.Minute, Tick: agentReport, Length: 5 * time.Minute, Load: 0.3,
		Failover: 10 * time.Minute, Rise: 20 * time.Minute, Policy: p, Governor: estimator.DefaultGovernor, Estimator: "tce",
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	req := smallFleet(t)
	first, err := SimulateFleet(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if first.Nodes != 12 || first.Span != Span(40*time.Minute) || first.UpdatesMean <= 0 || first.RevocableHours <= 0 || first.RegularHours <= 0 {
		t.Errorf("%+v: nothing came of it", first)
	}
	// All agents report again within ten seconds.
	again := 0
	for _, c := range first.seconds[600:612] {
		again += c.Updates
	}
	if again < 12 {
		t.Errorf("%d updates after the failover, want one of each of 12 agents", again)
	}
	second, err := SimulateFleet(t.Context(), smallFleet(t))
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(first)
	two, _ := json.Marshal(second)
	if !bytes.Equal(one, two) {
		t.Errorf("the same seed gave\n%s\n%s", one, two)
	}
	req.Without = true
	without, err := SimulateFleet(t.Context(), req)
	if err != nil || without.UpdatesMean > 12.0/2400+1e-9 || without.Rescinds() != 0 || without.RegularHours <= 0 {
		t.Errorf("without daemons: %+v, %v; want no rescinds", without, err)
	}
}

// Whoever shows that offers are lost: the accounts must close.
func TestFleetBooksBalance(t *testing.T) {
	t.Parallel()
	req := smallFleet(t)
	e := mustParse(t, "tce")
	pool, err := loadPlayed(t.Context(), req.Traces[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	req.pools = [][]*played{pool}
	f := newFleet(req)
	for i := range req.Nodes {
		if err := f.join(i, e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var agents, roles bundle
	running := resources.Milli(0)
	for _, n := range f.nodes {
		agents.add(n.allocated, 1)
		for i := range n.offers {
			agents.add(n.offers[i].what, 1)
		}
		running += resources.Milli(len(n.owners)) * resources.Unit
		for i := range n.offers {
			running += n.offers[i].what.revocable
		}
	}
	for _, fw := range f.master.frameworks {
		roles.add(fw.role.allocated, 1)
	}
	if agents != roles || agents.revocable != running {
		t.Errorf("agents have %+v, roles %+v, tasks and offers %v revocable", agents, roles, running)
	}
}

func TestFleetRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*FleetRequest){
		"no nodes":            func(r *FleetRequest) { r.Nodes = 0 },
		"no trace":            func(r *FleetRequest) { r.Traces = nil },
		"a tick of half":      func(r *FleetRequest) { r.Tick = 500 * time.Millisecond },
		"no time":             func(r *FleetRequest) { r.Span = 0 },
		"nodes without sizes": func(r *FleetRequest) { r.Traces = []string{write(t, "x.csv", "60,node,a,1,2,,", "120,node,a,1,2,,")} },
		"an unknown name":     func(r *FleetRequest) { r.Estimator = "oracle" },
	} {
		req := smallFleet(t)
		change(req)
		if _, err := SimulateFleet(t.Context(), req); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want %v", name, err, ErrOptions)
		}
	}
}

func TestFleetEndedTellsWhatItKnows(t *testing.T) {
	t.Parallel()
	req := smallFleet(t)
	ctx, end := context.WithCancel(t.Context())
	req.Progress = func(doing string, done, total int64) {
		if doing == "simulating" && done > total/2 {
			end()
		}
	}
	r, err := SimulateFleet(ctx, req)
	if err != nil || !r.CutShort || r.Span < Span(5*time.Minute) || r.Span > Span(20*time.Minute) {
		t.Errorf("%+v, %v; want what was known in the middle", r, err)
	}
	if err := cutShort([]*FleetReport{r}); !errors.Is(err, ErrCutShort) {
		t.Errorf("the command: %v", err)
	}
	var page, text bytes.Buffer
	if err := errors.Join(fleetPage([]*FleetReport{r})(&page), writeFleets(&text, []*FleetReport{r}, true)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "a second</text>") || strings.Count(text.String(), "\n") != 3 {
		t.Errorf("page of %d bytes, table\n%s", page.Len(), text.String())
	}
}
