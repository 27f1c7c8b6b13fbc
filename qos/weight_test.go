package qos

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// pressed is a full node of 2 CPUs whose web waits for that share of time.
func pressed(share float64, hogs ...snapshot.Container) func(at time.Time) *snapshot.Snapshot {
	return func(at time.Time) *snapshot.Snapshot {
		web := regular("web", 0.9)
		onV2(share, 0)(&web)
		return node(at, 2, append([]snapshot.Container{web}, hogs...)...)
	}
}

func waitPolicy() *policy.Policy {
	r := ruleOf("contention", signal.RegularCPUPressure, 0.1)
	r.Action, r.For, r.Settle, r.Clear = policy.Throttle, 0, 3*time.Second, 0.05
	return policyOf(r)
}

func throttleOf(d Decision, id string) (Throttle, bool) {
	for _, th := range d.Actions.Throttles {
		if th.Victim.Key().ID == id {
			return th, true
		}
	}
	return Throttle{}, false
}

// Who waits gets the weight of the others first. A quota follows where that is
// not enough, in proportion; it is loosened before the weight is given back, and
// both take a dwell.
func TestWeightComesFirst(t *testing.T) {
	p := waitPolicy()
	p.Ladder.Dwell = 5 * time.Second
	hog := revocable("hog", 1.1)
	d, st := ticks(t, p, State{}, 0, 2, pressed(0, hog))
	if len(d.Actions.Throttles) != 0 {
		t.Fatalf("calm: %+v", d.Actions)
	}
	d, st = ticks(t, p, st, 2, 1, pressed(0.4, hog))
	if th, ok := throttleOf(d, "hog"); !ok || th.Cores != 0 || !th.LowWeight || !d.Acted || !d.StopOffering {
		t.Fatalf("at the first reading: %+v, %s", d.Actions, d.Sentence(&d.Rules[0], t0))
	}
	// A tick that comes before that can show takes no more.
	soon, _ := decide(p, st, pressed(0.4, hog)(after(2.1)), nil)
	if th, _ := throttleOf(soon, "hog"); th.Cores != 0 || soon.Acted {
		t.Errorf("a tenth of a second later: %+v", soon.Actions)
	}
	enough, _ := ticks(t, p, st, 3, 3, pressed(0.02, hog))
	if th, ok := throttleOf(enough, "hog"); !ok || th.Cores != 0 {
		t.Errorf("when it was enough: %+v", enough.Actions)
	}
	d, st = ticks(t, p, st, 3, 1, pressed(0.4, hog))
	th, _ := throttleOf(d, "hog")
	missing := d.Rules[0].Shortfall
	if want := 1.1 - missing.V*beyondShortfall; !missing.OK() || math.Abs(th.Cores-want) > 1e-9 || !th.LowWeight {
		t.Fatalf("when it was not enough: %+v, want %v cores (missing %+v)", th, want, missing)
	}

	weightOnly, restored := -1, -1
	for i := 4; i < 200 && restored < 0; i++ {
		d, st = ticks(t, p, st, i, 1, pressed(0, hog))
		switch th, ok := throttleOf(d, "hog"); {
		case !ok:
			restored = i
		case weightOnly < 0 && th.Cores == 0:
			weightOnly = i
		}
	}
	if weightOnly < 0 || restored-weightOnly < 5 {
		t.Errorf("weight alone from second %d, given back at %d; want a dwell of 5 s between", weightOnly, restored)
	}
}

// A rule that reads something else than waiting is not helped by weight.
func TestQuotaComesAtOnceForBusyCPUs(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	p.Rules[0].Immediate = true
	d, _ := ticks(t, p, State{}, 0, 1, full(revocable("hog", 1), regular("web", 1)))
	if th, _ := throttleOf(d, "hog"); th.Cores == 0 || !th.LowWeight {
		t.Errorf("%+v", d.Actions)
	}
	wait := waitPolicy().Rules[0]
	p.Rules = append(p.Rules, wait)
	d, _ = ticks(t, p, State{}, 0, 1, pressed(0.4, revocable("hog", 1.1)))
	if th, _ := throttleOf(d, "hog"); th.Cores == 0 {
		t.Errorf("with both rules: %+v", d.Actions)
	}
}

// Weight that is given back and missed at once is given back later and later.
func TestWeightThatIsMissedStaysLonger(t *testing.T) {
	p := waitPolicy()
	p.Ladder.Dwell = 5 * time.Second
	hog := revocable("hog", 1.1)
	var st State
	var d Decision
	var kept []int
	since := -1
	for i := range 400 {
		share := 0.4 // without the weight of the hog taken, web waits
		if len(d.Actions.Throttles) > 0 {
			share = 0
		}
		d, st = ticks(t, p, st, i, 1, pressed(share, hog))
		switch {
		case len(d.Actions.Throttles) > 0 && since < 0:
			since = i
		case len(d.Actions.Throttles) == 0 && since >= 0:
			kept = append(kept, i-since)
			since = -1
		}
	}
	if len(kept) < 4 || kept[1] < 2*kept[0]-1 || kept[3] < 4*kept[0] {
		t.Errorf("kept for %v seconds, want each time twice as long, up to eight times", kept)
	}
}

// A limit that the node does not reach is none.
func TestLimitAboveTheNodeIsNone(t *testing.T) {
	p := slowPolicy(policy.Throttle)
	p.Ladder.FloorCores = 4
	d, _ := ticks(t, p, State{}, 0, 2, full(revocable("hog", 1), regular("web", 1)))
	if th, ok := throttleOf(d, "hog"); !ok || th.Cores != 0 || !th.LowWeight {
		t.Errorf("%+v", d.Actions)
	}
}

// The fast sampler of cgroup v1 cannot tell a container that is contended from one that
// has less to do, and not how much is missing. Weight is all that is taken for
// that, until it is time to kill: before that a quota is tried.
func TestFastSamplerAloneTakesWeightOnly(t *testing.T) {
	slowed := func(at time.Time) *snapshot.Snapshot {
		web, hog := regular("web", 0.9), revocable("hog", 1.1)
		onV1(snapshot.ValueOf(0))(&web)
		return contended(node(at, 2, web, hog), 0.4, time.Minute, snapshot.ContentionSlowed)
	}
	p := waitPolicy()
	d, st := ticks(t, p, State{}, 0, 8, slowed)
	if th, ok := throttleOf(d, "hog"); !ok || th.Cores != 0 || !d.Rules[0].Exceeded {
		t.Fatalf("%+v, %s", d.Actions, d.Sentence(&d.Rules[0], t0))
	}

	// What tells how much is missing has a quota follow.
	delayed := func(at time.Time) *snapshot.Snapshot {
		s := slowed(at)
		s.Containers[0].CPU.RunDelay = snapshot.ValueOf(0.4)
		return s
	}
	r := ruleOf("delay", signal.RegularRunDelay, 0.2)
	r.Action, r.For = policy.Throttle, 0
	both := *p
	both.Rules = append(both.Rules[:1:1], r)
	if d, _ = ticks(t, &both, st, 8, 1, delayed); d.Rules[1].Why == reason.Blind || len(d.Kills) > 0 {
		t.Fatalf("%s", d.Sentence(&d.Rules[1], t0))
	}
	if th, _ := throttleOf(d, "hog"); th.Cores == 0 {
		t.Errorf("with the delay of the threads: %+v, %s", d.Actions, d.Sentence(&d.Rules[1], t0))
	}

	starved := ruleOf("starved", signal.RegularCPUPressure, 0.2)
	starved.Action, starved.For, starved.Immediate = policy.Kill, 10*time.Second, false
	both.Rules = append(both.Rules[:1:1], starved)
	limited, killed := -1, -1
	st = State{}
	for i := 0; i < 40 && killed < 0; i++ {
		d, st = ticks(t, &both, st, i, 1, slowed)
		if th, _ := throttleOf(d, "hog"); limited < 0 && th.Cores > 0 {
			limited = i
		}
		if len(d.Kills) > 0 {
			killed = i
		}
	}
	if limited < 10 || killed <= limited {
		t.Errorf("a quota from second %d, killed at %d; want the first after 10 s, the second after that", limited, killed)
	}
}
