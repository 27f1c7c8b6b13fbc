package qos

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// moment is one line of a story: what the node looks like at a tick, and what
// must be decided then.
type moment struct {
	at    float64
	says  string
	set   func(s *snapshot.Snapshot)
	dying []string
	why   reason.Code
	kill  string
}

// tell ticks through the story and compares what is decided.
func tell(t *testing.T, p *policy.Policy, scene func(at time.Time) *snapshot.Snapshot, story []moment) {
	t.Helper()
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	var st State
	for _, m := range story {
		s := scene(after(m.at))
		if m.set != nil {
			m.set(s)
		}
		var inFlight []InFlight
		for _, id := range m.dying {
			inFlight = append(inFlight, InFlight{Key: snapshot.Key{ID: id, Inode: 7}})
		}
		var d Decision
		d, st = decide(p, st, s, inFlight)
		if d.Why != m.why || killed(d) != m.kill {
			t.Errorf("%gs, %s: decided %s, killed %q; want %s, %q (%s)", m.at, m.says, d.Why, killed(d), m.why, m.kill, d.Sentence(&d.Rules[0], after(m.at)))
		}
	}
}

func busy(cores float64) func(*snapshot.Snapshot) {
	return func(s *snapshot.Snapshot) { s.Host.BusyCores = snapshot.ValueOf(cores) }
}

func load(one, five, fifteen float64) func(*snapshot.Snapshot) {
	return func(s *snapshot.Snapshot) {
		s.Host.Load1, s.Host.Load5, s.Host.Load15 = snapshot.ValueOf(one), snapshot.ValueOf(five), snapshot.ValueOf(fifteen)
	}
}

// with changes the node after set.
func with(set func(*snapshot.Snapshot), more func(*snapshot.Snapshot)) func(*snapshot.Snapshot) {
	return func(s *snapshot.Snapshot) { set(s); more(s) }
}

func without(ids ...string) func(*snapshot.Snapshot) {
	return func(s *snapshot.Snapshot) {
		var rest []snapshot.Container
		for _, c := range s.Containers {
			gone := false
			for _, id := range ids {
				gone = gone || c.ID == id
			}
			if !gone {
				rest = append(rest, c)
			}
		}
		s.Containers = rest
	}
}

// scene is a node with one regular service and two hogs, the second of which
// uses more than it was given.
func scene(at time.Time) *snapshot.Snapshot {
	return node(at, 1, regular("web", 0.5), revocable("hog-a", 0.4), revocable("hog-b", 1.2))
}

func TestStories(t *testing.T) {
	unread := func(s *snapshot.Snapshot) { s.Host.BusyCores = snapshot.Value{Why: snapshot.Denied} }
	stale := func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(-46 * time.Second) }
	silent := func(s *snapshot.Snapshot) { s.Usage = nil }
	treeless := func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.Failed }
	for _, tc := range []struct {
		name   string
		policy *policy.Policy
		story  []moment
	}{
		{"a busy node loses one hog at a time until it is calm", cpuPolicy(), []moment{
			{at: 0, says: "half busy", set: busy(1), why: reason.Calm},
			{at: 1, says: "the regular load rises", set: busy(1.95), why: reason.Waiting},
			{at: 2, says: "still", set: busy(1.95), why: reason.Waiting},
			{at: 5.9, says: "not yet for 5 s", set: busy(1.95), why: reason.Waiting},
			{at: 6, says: "for 5 s", set: busy(1.95), why: reason.Preempt, kill: "hog-b"},
			{at: 7, says: "it takes its time to die", set: busy(1.95), dying: []string{"hog-b"}, why: reason.KillInFlight},
			{at: 9, says: "and more", set: busy(1.95), dying: []string{"hog-b"}, why: reason.KillInFlight},
			{at: 10, says: "it is gone, still busy", set: with(busy(1.95), without("hog-b")), why: reason.Settling},
			{at: 14, says: "the relief may still come", set: with(busy(1.95), without("hog-b")), why: reason.Settling},
			{at: 15, says: "it did not come", set: with(busy(1.95), without("hog-b")), why: reason.Preempt, kill: "hog-a"},
			{at: 16, says: "it dies", set: with(busy(1.2), without("hog-b")), dying: []string{"hog-a"}, why: reason.Calm},
			{at: 17, says: "nobody is left", set: with(busy(1.95), without("hog-a", "hog-b")), why: reason.NoVictim},
			{at: 60, says: "nor later", set: with(busy(1.95), without("hog-a", "hog-b")), why: reason.NoVictim},
		}},
		{"a tick a little too soon ends the wait", cpuPolicy(), []moment{
			{at: 0.002, says: "busy, 2 ms late", set: busy(2), why: reason.Waiting},
			{at: 4.94, says: "not yet", set: busy(2), why: reason.Waiting},
			{at: 5, says: "not late", set: busy(2), why: reason.Preempt, kill: "hog-b"},
		}},
		{"a dip interrupts the wait", cpuPolicy(), []moment{
			{at: 0, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 4, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 5, set: busy(1.9), says: "exactly at 95 % is not above", why: reason.Calm},
			{at: 6, set: busy(2), says: "from the start", why: reason.Waiting},
			{at: 10, set: busy(2), says: "4 s", why: reason.Waiting},
			{at: 11, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
		}},
		{"a blind tick interrupts the wait", cpuPolicy(), []moment{
			{at: 0, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 4, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 5, set: unread, says: "nothing can be read", why: reason.Blind},
			{at: 6, set: busy(2), says: "from the start", why: reason.Waiting},
			{at: 11, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
		}},
		{"an agent that falls silent blinds, for as long as it is", cpuPolicy(), []moment{
			{at: 0, set: with(busy(2), silent), says: "no report yet", why: reason.Blind},
			{at: 5, set: busy(2), says: "it reports", why: reason.Waiting},
			{at: 9, set: busy(2), says: "4 s", why: reason.Waiting},
			{at: 10, set: with(busy(2), stale), says: "too old", why: reason.Blind},
			{at: 19, set: with(busy(2), stale), says: "too old", why: reason.Blind},
			{at: 20, set: with(busy(2), treeless), says: "no tree", why: reason.Blind},
			{at: 21, set: busy(2), says: "from the start", why: reason.Waiting},
			{at: 26, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
		}},
		{"nobody looked for too long", cpuPolicy(), []moment{
			{at: 0, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 11, set: busy(2), says: "a gap of 11 s", why: reason.Waiting},
			{at: 16, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
		}},
		{"the clock goes back", cpuPolicy(), []moment{
			{at: 100, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 104, set: busy(2), says: "4 s", why: reason.Waiting},
			{at: 50, set: busy(2), says: "set back", why: reason.Waiting},
			{at: 54, set: busy(2), says: "4 s", why: reason.Waiting},
			{at: 55, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
			{at: 56, set: busy(2), says: "gone", why: reason.Settling},
			{at: 20, set: busy(2), says: "set back again", why: reason.Waiting},
			{at: 25, set: busy(2), says: "settled by then", why: reason.Preempt, kill: "hog-b"},
		}},
		{"a busy node without a hog is nobody's fault; a hog that comes has its 5 s", cpuPolicy(), []moment{
			{at: 0, set: with(busy(2), without("hog-a", "hog-b")), says: "busy", why: reason.NoVictim},
			{at: 9, set: with(busy(2), without("hog-a", "hog-b")), says: "busy", why: reason.NoVictim},
			{at: 10, set: busy(2), says: "hogs come", why: reason.Waiting},
			{at: 14.9, set: busy(2), says: "not yet", why: reason.Waiting},
			{at: 15, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
		}},
		{"hogs alone may have the node", cpuPolicy(), []moment{
			{at: 0, set: with(busy(2), without("web")), says: "busy", why: reason.NoVictim},
			{at: 9, set: with(busy(2), without("web")), says: "busy", why: reason.NoVictim},
		}},
		{"a kill that the agent's side refused is not repeated at once", cpuPolicy(), []moment{
			{at: 0, set: busy(2), says: "busy", why: reason.Waiting},
			{at: 5, set: busy(2), says: "5 s", why: reason.Preempt, kill: "hog-b"},
			{at: 6, set: busy(2), says: "not in flight", why: reason.Settling},
			{at: 10, set: busy(2), says: "not in flight", why: reason.Settling},
			{at: 11, set: busy(2), says: "5 s later", why: reason.Preempt, kill: "hog-b"},
		}},
		{"load as in Mesos: either threshold, at once, but one at a time", loadPolicy(), []moment{
			{at: 0, set: load(9, 6, 4), says: "at the thresholds", why: reason.Calm},
			{at: 1, set: load(9, 6.01, 0), says: "load5", why: reason.Preempt, kill: "hog-b"},
			{at: 2, set: load(9, 6.5, 0), says: "dying", dying: []string{"hog-b"}, why: reason.KillInFlight},
			{at: 3, set: with(load(9, 6.5, 0), without("hog-b")), says: "gone", why: reason.Settling},
			{at: 62, set: with(load(9, 6.5, 0), without("hog-b")), says: "59 s", why: reason.Settling},
			{at: 63, set: with(load(9, 5.9, 4.1), without("hog-b")), says: "load15", why: reason.Preempt, kill: "hog-a"},
		}},
		{"load1 ends what load5 remembers", func() *policy.Policy {
			p := loadPolicy()
			p.Rules[0].While, p.Rules[1].While = policy.While{Signal: signal.Load1, Above: 5}, policy.While{Signal: signal.Load1, Above: 5}
			return p
		}(), []moment{
			{at: 0, set: load(5, 7, 7), says: "over by now", why: reason.Calm},
			{at: 1, set: load(5.1, 7, 7), says: "still going on", why: reason.Preempt, kill: "hog-b"},
		}},
		{"the first rule that may act does, the others wait for its victim", func() *policy.Policy {
			p := cpuPolicy()
			p.Rules[0].For = 0
			p.Rules = append(p.Rules, loadPolicy().Rules...)
			return p
		}(), []moment{
			{at: 0, set: with(busy(2), load(9, 9, 9)), says: "both", why: reason.Preempt, kill: "hog-b"},
			{at: 1, set: with(busy(2), load(9, 9, 9)), says: "both", dying: []string{"hog-b"}, why: reason.KillInFlight},
			{at: 2, set: with(busy(2), load(9, 9, 9)), says: "gone", why: reason.Settling},
			{at: 7, set: with(busy(2), load(9, 9, 9)), says: "cpu has settled, load has not", why: reason.Preempt, kill: "hog-b"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tell(t, tc.policy, scene, tc.story) })
	}
}

func TestNoRuleDecidesNothing(t *testing.T) {
	for name, p := range map[string]*policy.Policy{"no policy": nil, "no rules": {Fresh: policy.DefaultFresh()}} {
		d, _ := decide(p, State{}, scene(t0), nil)
		if d.Why != reason.NoPolicy || len(d.Kills) != 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestNewPolicyStartsFromNothing(t *testing.T) {
	_, st := decide(cpuPolicy(), State{}, node(t0, 2, scene(t0).Containers...), nil)
	d, _ := decide(cpuPolicy(), st, node(after(9), 2, scene(t0).Containers...), nil)
	if d.Why != reason.Waiting {
		t.Errorf("decided %s, want %s", d.Why, reason.Waiting)
	}
}
