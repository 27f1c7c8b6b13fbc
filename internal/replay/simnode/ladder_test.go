package simnode

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// want is what must come out of a scenario, worked out by hand.
type want struct {
	// kills is how many, firstKill by when the first of them must have been
	// decided on.
	kills, firstKill int
	// relief is a bound, in seconds, on how long the regular service gets less
	// than it wants or the node is busier than the rule allows, at a stretch.
	relief int
	// upTurns is the most often that the limit may begin to rise after it fell.
	upTurns int
	// restsFrom is the second from which on the limit never changes; 0: not
	// asked.
	restsFrom int
	// joins: somebody must have come, or nobody may.
	joins bool
	// undone: at the end nothing is in force.
	undone bool
}

func TestClosedLoop(t *testing.T) {
	wants := map[string]want{
		// for 5 s + stop 1 s + throttle 1 s + it shows 1 s.
		"square": {relief: 8, upTurns: 3},
		// The ramp goes on while it is followed, by steps of 2 % of the CPUs: what
		// is above for longer than 8 s is the climb to the top.
		"ramp":           {relief: 9, upTurns: 1, undone: true},
		"sine":           {relief: 9, upTurns: 3},
		"bursts":         {relief: 3},
		"constant":       {relief: 8, restsFrom: 128},
		"pressure":       {relief: 3, upTurns: 1, restsFrom: 200},
		"throttle-cures": {relief: 8, upTurns: 1, undone: true},
		// 8 s until the throttle is at its floor and 5 s for it to show; twice 10 s
		// to hand over and 20 s to die; 5 s to settle in between; 3 s to show.
		"throttle-fails": {kills: 2, firstKill: 60 + 13, relief: 13 + 2*30 + 5 + 3, restsFrom: 140},
		"no-quota":       {kills: 2, firstKill: 60 + 13, relief: 13 + 2*30 + 5 + 3, upTurns: 1},
		// Without a rung to climb first: 5 s, and at most 3 kills of 30 s with two
		// times to settle.
		"immediate": {kills: 3, firstKill: 60 + 5, relief: 5 + 3*30 + 2*5 + 3, joins: true, undone: true},
		"offers":    {relief: 8, upTurns: 1, joins: true, undone: true},
	}
	scenarios := Scenarios()
	if len(scenarios) != len(wants) {
		t.Errorf("%d scenarios, %d expectations", len(scenarios), len(wants))
	}
	for _, sc := range scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			want, ok := wants[sc.Name]
			if !ok {
				t.Fatal("nothing is expected of it")
			}
			rows, err := Run(sc)
			if err != nil {
				t.Fatal(err)
			}
			check(t, &sc, rows, want)
		})
	}
}

func check(t *testing.T, sc *Scenario, rows []Row, want want) {
	kills, joins := 0, false
	for i := range rows {
		kills += rows[i].Kills
		joins = joins || rows[i].Joined
		if rows[i].Kills > 0 && kills == rows[i].Kills && rows[i].Second > want.firstKill {
			t.Errorf("the first kill is at %d s, at the latest at %d s", rows[i].Second, want.firstKill)
		}
	}
	if kills != want.kills {
		t.Errorf("%d kills, %d are needed", kills, want.kills)
	}
	if joins != want.joins {
		t.Errorf("somebody came: %v, want %v", joins, want.joins)
	}
	if long := longestContention(sc, rows); long > want.relief {
		t.Errorf("no relief for %d s, at most %d", long, want.relief)
	}
	checkTurns(t, sc, rows, want)
	checkOffers(t, rows)
	last := &rows[len(rows)-1]
	if undone := last.Rung == policy.None && last.Limit == 0; want.undone && !undone {
		t.Errorf("at the end %+v is still in force", last)
	}
	for i := range rows {
		if i > 0 && rows[i].Rung > rows[i-1].Rung+1 && !skips(sc, rows[i-1].Rung, rows[i].Rung) {
			t.Errorf("%d s: from rung %s to %s", rows[i].Second, rows[i-1].Rung, rows[i].Rung)
		}
	}
}

// skips: the policy of the stories has no freeze.
func skips(sc *Scenario, from, to policy.Rung) bool {
	return sc.Policy.Rules[0].Immediate || from == policy.Throttle && to == policy.Kill && sc.Policy.Ladder.FreezeFor == 0
}

// longestContention is the longest time for which the node was too busy by the rule
// on node_cpu, or the service got less than it wants.
func longestContention(sc *Scenario, rows []Row) (most int) {
	now := 0
	for i := range rows {
		r := &rows[i]
		busy := (r.Used + r.Revocable + outside) / sc.CPUs
		tooBusy := sc.Policy.Rules[0].Signal == signal.NodeCPU && busy > sc.Policy.Rules[0].Above+1e-9
		if r.Used < r.Wanted-1e-9 || tooBusy {
			now++
		} else {
			now = 0
		}
		most = max(most, now)
	}
	return most
}

// checkTurns: between two changes of the limit's direction lies a dwell, and it
// turns no more often than must be.
func checkTurns(t *testing.T, sc *Scenario, rows []Row, want want) {
	t.Helper()
	direction, turned, ups := 0, math.MinInt, 0
	before := math.Inf(1)
	for i := range rows {
		r := &rows[i]
		limit := r.Limit
		if limit == 0 {
			limit = math.Inf(1)
		}
		now := 0
		switch {
		case limit > before:
			now = 1
		case limit < before:
			now = -1
		}
		before = limit
		if now == 0 {
			continue
		}
		if want.restsFrom > 0 && r.Second >= want.restsFrom {
			t.Errorf("%d s: the limit changes to %.2f, it should rest from %d s on", r.Second, r.Limit, want.restsFrom)
		}
		if now == direction {
			continue
		}
		if dwell := int(sc.Policy.Ladder.Dwell.Seconds()); direction != 0 && r.Second-turned < dwell {
			t.Errorf("%d s: the limit turns %d s after it turned last, dwell is %d s", r.Second, r.Second-turned, dwell)
		}
		if now > 0 {
			ups++
		}
		direction, turned = now, r.Second
	}
	if ups > want.upTurns {
		t.Errorf("the limit turned up %d times, at most %d are needed", ups, want.upTurns)
	}
}

// checkOffers: after an action nothing is offered again within the hold, and
// nobody comes while the offer is stopped.
func checkOffers(t *testing.T, rows []Row) {
	t.Helper()
	heldOff := -1
	for i := range rows {
		r := &rows[i]
		if i > 0 && r.RevocableTotal > rows[i-1].RevocableTotal+1e-9 && r.Second < heldOff {
			t.Errorf("%d s: offers %.1f in all after %.1f, nothing before %d s", r.Second, r.RevocableTotal, rows[i-1].RevocableTotal, heldOff)
		}
		if r.Acted {
			heldOff = r.Second + int(HoldOff.Seconds())
		}
		if r.Joined && r.StopOffering {
			t.Errorf("%d s: somebody came while the offer was stopped", r.Second)
		}
	}
}

// The CPUs are handed out whole, by weight, and nobody gets more than it wants.
func TestShare(t *testing.T) {
	for _, tc := range []struct {
		name string
		size float64
		all  []*Container
		want []float64
	}{
		{"enough for all", 4, []*Container{{Wants: 1, Weight: 1}, {Wants: 2, Weight: 5}}, []float64{1, 2}},
		{"by weight", 4, []*Container{{Wants: 9, Weight: 1}, {Wants: 9, Weight: 3}}, []float64{1, 3}},
		{"what one does not want is the others'", 4, []*Container{{Wants: 0.5, Weight: 2}, {Wants: 9, Weight: 1}, {Wants: 9, Weight: 1}}, []float64{0.5, 1.75, 1.75}},
		{"a regular one before revocable ones", 4, []*Container{{Wants: 3.5, Weight: 4096}, {Wants: 2, Weight: 10}}, []float64{3.5, 0.5}},
	} {
		share(tc.size, tc.all)
		for i, want := range tc.want {
			if math.Abs(tc.all[i].Got-want) > 1e-9 {
				t.Errorf("%s: container %d got %v, want %v", tc.name, i, tc.all[i].Got, want)
			}
		}
	}
}

// A story is the same each time it is told.
func TestRunIsDeterministic(t *testing.T) {
	sc, ok := Find("offers")
	if !ok {
		t.Fatal("no such scenario")
	}
	a, err := Run(sc)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Run(sc)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%d s: %+v, then %+v", i, a[i], b[i])
		}
	}
}

// UPDATE_DOCS=1 draws the stories anew (make plots).
func TestPlots(t *testing.T) {
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Skip("UPDATE_DOCS is not set")
	}
	for _, sc := range Scenarios() {
		rows, err := Run(sc)
		if err != nil {
			t.Fatalf("%s: %v", sc.Name, err)
		}
		if err := os.WriteFile("../../../docs/evidence/plots/"+sc.Name+".svg", Plot(&sc, rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The page shows and explains each story.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/evidence/ladder.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range Scenarios() {
		if !strings.Contains(string(page), "\n"+sc.About+"\n\n!["+sc.Name+"](plots/"+sc.Name+".svg)\n") {
			t.Errorf("docs/evidence/ladder.md does not show %s with %q", sc.Name, sc.About)
		}
		if _, err := os.Stat("../../../docs/evidence/plots/" + sc.Name + ".svg"); err != nil {
			t.Error(err)
		}
	}
}
