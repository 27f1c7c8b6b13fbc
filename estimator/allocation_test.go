package estimator_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func cpus(n resources.Milli) resources.Quantities {
	return resources.Quantities{{Name: "cpus", Amount: n}}
}

func reservation(role string, reserved, allocated resources.Milli) snapshot.Reservation {
	return snapshot.Reservation{Role: role, Reserved: cpus(reserved), Allocated: cpus(allocated)}
}

// reservedScene is a node of 8 cores: 4 of web, 2 of eng/ci, 2 of nobody.
func reservedScene(at time.Time, web, ci, rest resources.Milli, cast ...actor) *snapshot.Snapshot {
	s := scene(at, cast...)
	s.Usage.Reservations = []snapshot.Reservation{reservation("*", 2000, rest), reservation("eng/ci", 2000, ci), reservation("web", 4000, web)}
	return s
}

// directAllocation is mode allocation with a governor that keeps nothing back.
func directAllocation() estimator.AllocationConfig {
	return estimator.AllocationConfig{
		Resources:        []estimator.AllocationResource{{Name: "cpus", Governor: estimator.GovernorConfig{Quantum: 1, Step: 1 << 40}}},
		ReportStaleAfter: 45 * time.Second, SampleStaleAfter: 10 * time.Second,
	}
}

func mustAllocation(t interface {
	Helper()
	Fatal(...any)
}, cfg estimator.AllocationConfig, beside estimator.Estimator,
) *tracked {
	t.Helper()
	e, err := estimator.NewAllocation(cfg, beside)
	if err != nil {
		t.Fatal(err)
	}
	return &tracked{Estimator: e}
}

func TestAllocationSlack(t *testing.T) {
	keep := func(role string, amounts resources.Quantities, share float64) []estimator.Keep {
		return []estimator.Keep{{Role: role, Amounts: amounts, Share: share}}
	}
	for name, tc := range map[string]struct {
		roles         estimator.RoleFilter
		cap           resources.Quantities
		web, ci, rest resources.Milli
		change        func(*snapshot.Snapshot)
		want          resources.Milli
		why           reason.Code
	}{
		"nobody is there":            {want: 6000, why: reason.Slack},
		"the rest is none":           {rest: 1500, want: 6000, why: reason.Slack},
		"web has a part":             {web: 2500, want: 3500, why: reason.Slack},
		"all is allocated":           {web: 4000, ci: 2000, want: 0, why: reason.NoSlack},
		"only web":                   {roles: estimator.RoleFilter{Include: []string{"web"}}, want: 4000, why: reason.Slack},
		"all but web":                {roles: estimator.RoleFilter{Exclude: []string{"web"}}, want: 2000, why: reason.Slack},
		"all below eng":              {roles: estimator.RoleFilter{Include: []string{"eng/*"}}, want: 2000, why: reason.Slack},
		"eng is not below eng":       {roles: estimator.RoleFilter{Include: []string{"eng"}}, want: 0, why: reason.NoSlack},
		"what is excluded counts":    {roles: estimator.RoleFilter{Include: []string{"web"}, Exclude: []string{"web"}}, want: 0, why: reason.NoSlack},
		"an amount stays free":       {roles: estimator.RoleFilter{Keep: keep("web", cpus(1500), 0)}, want: 4500, why: reason.Slack},
		"a share stays free":         {roles: estimator.RoleFilter{Keep: keep("web", nil, 0.25)}, want: 5000, why: reason.Slack},
		"more is kept than is there": {roles: estimator.RoleFilter{Keep: keep("web", cpus(9000), 0)}, want: 2000, why: reason.Slack},
		"kept of what is left":       {roles: estimator.RoleFilter{Keep: keep("web", cpus(1500), 0)}, web: 3000, want: 2000, why: reason.Slack},
		"a cap":                      {cap: cpus(1000), want: 1000, why: reason.Cap},
		// 0.4 cores of overhead are allocated that nobody has: reserved ones.
		"overhead beyond the rest": {rest: 2400, want: 5600, why: reason.Slack},
		"a smaller node than the agent says": {
			change: func(s *snapshot.Snapshot) { s.Host.CPUs = snapshot.CountOf(5) }, want: 3000, why: reason.Slack,
		},
		"no report":    {change: func(s *snapshot.Snapshot) { s.Usage = nil }, why: reason.NoAgent},
		"an old one":   {change: func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(-time.Minute) }, why: reason.StaleUsage},
		"no tree":      {change: func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.NoFile }, why: reason.NoSamples},
		"no host":      {change: func(s *snapshot.Snapshot) { s.Host.BusyCores.Why = snapshot.Denied }, why: reason.NoHost},
		"an old host":  {change: func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(-time.Minute) }, why: reason.StaleSamples},
		"one left out": {change: func(s *snapshot.Snapshot) { s.Usage.Dropped = 1 }, why: reason.UnusableExecutor},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := directAllocation()
			cfg.Roles, cfg.Cap = tc.roles, tc.cap
			s := reservedScene(start, tc.web, tc.ci, tc.rest)
			if tc.change != nil {
				tc.change(s)
			}
			o := mustAllocation(t, cfg, nil).Estimate(s)
			r := &o.Resources[0]
			if len(o.Resources) != 1 || r.RevocableTotal != tc.want || r.Offered != tc.want || r.Why != tc.why || r.Allocation.Total != tc.want {
				t.Errorf("%+v with %+v, want %v for %s", r, r.Allocation, tc.want, tc.why)
			}
		})
	}
}

// What an owner has allocated since the tick is not answered any more, whoever
// reports it; what he gave back waits for a tick.
func TestAllocationAnswer(t *testing.T) {
	o := mustAllocation(t, directAllocation(), nil).Estimate(reservedScene(start, 1000, 0, 0))
	for name, tc := range map[string]struct {
		web, ci, rest resources.Milli
		cast          []actor
		want          string
	}{
		"as it was":             {web: 1000, want: "cpus:5"},
		"web takes one more":    {web: 2000, want: "cpus:4"},
		"web takes all":         {web: 4000, want: "cpus:2"},
		"web gives back":        {want: "cpus:5"},
		"overhead of the rest":  {web: 1000, rest: 2300, want: "cpus:4.7"},
		"a batch task has come": {web: 1000, cast: []actor{batch(1)}, want: "cpus:4"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := o.Answer(reservedScene(start, tc.web, tc.ci, tc.rest, tc.cast...).Usage, start).String(); got != tc.want {
				t.Errorf("answered %q, want %q", got, tc.want)
			}
		})
	}
}

// The owner comes, and what he left again is offered after the hold-off only;
// longer when he comes again.
func TestAllocationHoldOff(t *testing.T) {
	cfg := directAllocation()
	cfg.Resources[0].Governor.HoldOff = 2 * time.Minute
	cfg.Resources[0].Governor.HoldOffMax = time.Hour
	e := mustAllocation(t, cfg, nil)
	at := start
	next := func(web resources.Milli) *estimator.ResourceOffer {
		at = at.Add(10 * time.Second)
		o := e.Estimate(reservedScene(at, web, 2000, 0))
		return &o.Resources[0]
	}
	until := func(web, want resources.Milli) (waited time.Duration) {
		for ; waited < time.Hour; waited += 10 * time.Second {
			if next(web).RevocableTotal == want {
				return waited
			}
		}
		t.Fatalf("never %v", want)
		return 0
	}
	if r := next(0); r.RevocableTotal != 4000 {
		t.Fatalf("%+v", r)
	}
	if r := next(3000); r.RevocableTotal != 1000 {
		t.Errorf("the owner is there: %+v", r)
	}
	if r := next(0); r.RevocableTotal != 1000 || r.Why != reason.Hold {
		t.Errorf("he left: %+v", r)
	}
	first := until(0, 4000)
	if first < 90*time.Second || first > 2*time.Minute {
		t.Errorf("offered again after %v", first)
	}
	next(3000)
	if second := until(0, 4000); second < 3*time.Minute {
		t.Errorf("and the second time after %v", second)
	}
}

// The governor of reservations survives a restart.
func TestAllocationCheckpoint(t *testing.T) {
	cfg := directAllocation()
	cfg.Resources[0].Governor.HoldOff = 10 * time.Minute
	both := func() *tracked {
		usage, err := estimator.NewUsage(direct())
		if err != nil {
			t.Fatal(err)
		}
		return mustAllocation(t, cfg, usage)
	}
	e := both()
	e.Estimate(reservedScene(start, 0, 2000, 0))
	e.Estimate(reservedScene(start.Add(time.Second), 4000, 2000, 0))
	c := e.Save()
	again := both()
	if err := again.Restore(c); err != nil {
		t.Fatal(err)
	}
	o := again.Estimate(reservedScene(start.Add(2*time.Second), 0, 2000, 0))
	if r := &o.Resources[0]; r.Allocation.Total != 0 || r.Allocation.Why != reason.Hold {
		t.Errorf("%+v", r.Allocation)
	}
}

// A stopped offer stops both kinds.
func TestAllocationStops(t *testing.T) {
	usage, err := estimator.NewUsage(direct())
	if err != nil {
		t.Fatal(err)
	}
	e := mustAllocation(t, directAllocation(), usage)
	e.Estimate(reservedScene(start, 0, 0, 0, batch(1)))
	e.Feedback(estimator.Feedback{StopOffer: true})
	o := e.Estimate(reservedScene(start.Add(time.Second), 0, 0, 0, batch(1)))
	if r := &o.Resources[0]; r.Offered != 0 || r.Why != reason.Stopped || len(o.Answer(reservedScene(start, 0, 0, 0).Usage, start)) != 0 {
		t.Errorf("%+v", r)
	}
}

// Of a random agent no core is promised twice: what is revocable in all, what the
// master still offers as regular, and what regular containers use is never more
// than the node has.
func TestNoCoreIsPromisedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := func(name string, most resources.Milli) resources.Milli {
			return resources.Milli(rapid.IntRange(0, int(most/100)).Draw(t, name)) * 100
		}
		usage, err := estimator.NewUsage(direct())
		if err != nil {
			t.Fatal(err)
		}
		e := mustAllocation(t, directAllocation(), usage)
		for tick := range rapid.IntRange(1, 5).Draw(t, "ticks") {
			at := start.Add(time.Duration(tick) * time.Second)
			var cast []actor
			reserved := map[string]resources.Milli{"a": amount("a", 4000), "b": amount("b", 3000)}
			reserved["*"] = 8000 - reserved["a"] - reserved["b"]
			allocated := map[string]resources.Milli{}
			var list []snapshot.Reservation
			used, unreserved := 0.0, reserved["*"]
			for _, role := range []string{"*", "a", "b"} {
				for i := range rapid.IntRange(0, 2).Draw(t, "containers") {
					n := amount("allocated", reserved[role]-allocated[role])
					if role == "*" && i > 0 && n > 100 && rapid.IntRange(0, 5).Draw(t, "beyond") == 0 {
						n += 200 // overhead that nobody accounts for
					}
					allocated[role] += n
					uses := n.Float() * rapid.Float64Range(0, 1).Draw(t, "uses")
					used += uses
					cast = append(cast, actor{id: fmt.Sprint(role, i), class: snapshot.ClassRegular, regular: n, uses: uses, age: old})
				}
				list = append(list, snapshot.Reservation{Role: role, Reserved: cpus(reserved[role]), Allocated: cpus(allocated[role])})
			}
			unreserved = max(0, unreserved-allocated["*"])
			s := scene(at, cast...)
			s.Usage.Reservations = list
			o := e.Estimate(s)
			r := &o.Resources[0]
			if sum := r.RevocableTotal.Float() + unreserved.Float() + used; sum > 8.001 {
				t.Fatalf("%v of 8 cores: revocable %v, unreserved %v, used %v: %+v %+v", sum, r.RevocableTotal, unreserved, used, r.Estimate, r.Allocation)
			}
			if parts := r.Allocation.Total; r.RevocableTotal < parts || r.Allocation.Slack > parts && r.Allocation.Why == reason.Slack {
				t.Fatalf("the terms are not the total: %+v %+v", r, r.Allocation)
			}
		}
	})
}

func TestAllocationConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*estimator.AllocationConfig){
		"no resource":    func(c *estimator.AllocationConfig) { c.Resources = nil },
		"twice":          func(c *estimator.AllocationConfig) { c.Resources = append(c.Resources, c.Resources[0]) },
		"a strange cap":  func(c *estimator.AllocationConfig) { c.Cap = resources.Quantities{{Name: "mem", Amount: 1}} },
		"a negative cap": func(c *estimator.AllocationConfig) { c.Cap = cpus(-1) },
		"a share of 2":   func(c *estimator.AllocationConfig) { c.Roles.Keep = []estimator.Keep{{Role: "a", Share: 2}} },
		"no governor":    func(c *estimator.AllocationConfig) { c.Resources[0].Governor = estimator.GovernorConfig{} },
		"no staleness":   func(c *estimator.AllocationConfig) { c.ReportStaleAfter = 0 },
	} {
		cfg := directAllocation()
		change(&cfg)
		if _, err := estimator.NewAllocation(cfg, nil); !errors.Is(err, estimator.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an owner allocates while it is allocated as revocable is owed, until
// revocable containers have gone or he has; also over a restart.
func TestAllocationOwes(t *testing.T) {
	e := mustAllocation(t, directAllocation(), nil)
	at := start
	next := func(web resources.Milli, cast ...actor) resources.Milli {
		at = at.Add(time.Second)
		o := e.Estimate(reservedScene(at, web, 2000, 0, cast...))
		return o.Resources[0].Allocation.Owed
	}
	spark := func(n resources.Milli) actor {
		return actor{id: "spark", class: snapshot.ClassRevocable, revocable: n, uses: n.Float(), age: old}
	}
	for i, step := range []struct{ web, revocable, owed resources.Milli }{
		{0, 3000, 0},
		{500, 3000, 0},     // there was room
		{2500, 3000, 1500}, // 3 of 4 - 2.5
		{2500, 3000, 1500},
		{2500, 2000, 500},
		{2000, 2000, 0},
		{4000, 2000, 2000},
		{4000, 0, 0},
		{4000, 1000, 0}, // not his any more: nothing was offered of it
	} {
		if got := next(step.web, spark(step.revocable)); got != step.owed {
			t.Errorf("step %d: owed %v, want %v", i, got, step.owed)
		}
		c := e.Save()
		e = mustAllocation(t, directAllocation(), nil)
		if err := e.Restore(c); err != nil {
			t.Fatal(err)
		}
	}
}
