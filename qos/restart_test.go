package qos

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// restarted is st as a daemon has it that starts again: what was kept of it.
func restarted(t *testing.T, st State) State {
	t.Helper()
	text, err := json.Marshal(st.Resume())
	if err != nil {
		t.Fatal(err)
	}
	var r Resume
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r.State()
}

// dyingNode is a node that stays busy, on which a container that is killed takes
// its time to be gone.
type dyingNode struct {
	// tick is how many seconds passed; calendar is what the calendar is ahead.
	tick     int
	calendar time.Duration
	left     []string
	inFlight []InFlight
	kills    int
	last     Decision
}

func newDyingNode() *dyingNode {
	return &dyingNode{left: []string{"a", "b", "c", "d", "e", "f", "g", "h"}}
}

const diesIn = 4 * time.Second

func (n *dyingNode) step(p *policy.Policy, st State) State {
	n.tick++
	at := after(float64(n.tick)).Add(n.calendar)
	for len(n.inFlight) > 0 && at.Sub(n.inFlight[0].Since) >= diesIn {
		for i, id := range n.left {
			if id == n.inFlight[0].ID {
				n.left = append(append([]string{}, n.left[:i]...), n.left[i+1:]...)
				break
			}
		}
		n.inFlight = n.inFlight[1:]
	}
	var all []snapshot.Container
	for _, id := range n.left {
		c := revocable(id, 0.1)
		c.FirstSeen = at.Add(-time.Hour)
		all = append(all, c)
	}
	s := node(at, 2, append(all, regular("web", 1))...)
	s.Uptime = time.Hour + time.Duration(n.tick)*time.Second
	n.last, st = decide(p, st, s, n.inFlight)
	for _, v := range n.last.Kills {
		n.kills++
		n.inFlight = append(n.inFlight, InFlight{Key: v.Key(), Since: at})
	}
	return st
}

func restartPolicy() *policy.Policy {
	p := policyOf(ruleOf("cpu", signal.NodeCPU, 0.95))
	p.Rules[0].For, p.Rules[0].Settle = 2*time.Second, 6*time.Second
	p.Budget = policy.Budget{Kills: 3, Per: time.Hour}
	return p
}

// Wherever in the life of a kill the daemon ends and starts again, with nothing
// but what was kept and however long it was away, it never kills more than one
// that went on; nor when the calendar is set meanwhile.
func TestNoRestartKillsMore(t *testing.T) {
	p := restartPolicy()
	const ticks = 45
	for _, jump := range []time.Duration{0, -time.Hour, 25 * time.Hour} {
		for _, away := range []int{0, 1, 20} {
			for at := 1; at < ticks; at++ {
				goesOn, starts := newDyingNode(), newDyingNode()
				var one, other State
				for i := 1; i <= ticks; i++ {
					one = goesOn.step(p, one)
					if i > at && i <= at+away {
						starts.tick++
						continue
					}
					other = starts.step(p, other)
					if i == at {
						other = restarted(t, other)
						starts.calendar += jump
						for k := range starts.inFlight {
							starts.inFlight[k].Since = starts.inFlight[k].Since.Add(jump)
						}
					}
					if starts.kills > goesOn.kills {
						t.Fatalf("away for %d ticks after tick %d, the calendar set by %s: %d kills by tick %d, %d without", away, at, jump, starts.kills, i, goesOn.kills)
					}
				}
			}
		}
	}
}

// A breaker that is open stays so over a restart, the offer stopped from the
// first tick on, and closes when it would have.
func TestTheBreakerStaysOpenOverARestart(t *testing.T) {
	p := restartPolicy()
	n := newDyingNode()
	var st State
	for range 60 {
		st = n.step(p, st)
	}
	if n.kills != 3 || !n.last.Budget.Open() {
		t.Fatalf("%d kills, budget %+v", n.kills, n.last.Budget)
	}
	opened := n.last.Budget.OpenSince
	st = restarted(t, st)
	st = n.step(p, st)
	if d := &n.last; !d.Budget.Open() || !d.StopOffering || d.Budget.Left != 0 || !d.Budget.OpenSince.Equal(opened) {
		t.Errorf("after a restart: %+v, stop %v, want open since %s", d.Budget, d.StopOffering, opened)
	}
	n.tick += 3600
	if n.step(p, restarted(t, st)); n.last.Budget.Open() {
		t.Errorf("an hour later: %+v", n.last.Budget)
	}
}

// The relief of a victim that is seen to be gone by the first tick after a restart
// has its time to show.
func TestARestartWaitsForTheLastVictimsRelief(t *testing.T) {
	p := restartPolicy()
	n := newDyingNode()
	var st State
	for n.kills == 0 {
		st = n.step(p, st)
	}
	st = restarted(t, st)
	n.tick += 10
	for range 3 { // it is gone since the daemon ended; the rule is active again
		st = n.step(p, st)
	}
	if n.kills != 1 || n.last.Why != reason.Settling || n.last.LastGone.IsZero() {
		t.Errorf("%d kills, %s, gone %s", n.kills, n.last.Why, n.last.LastGone)
	}
}

// Setting the calendar changes nothing where the machine tells how long it is up.
func TestTheCalendarDoesNotMatter(t *testing.T) {
	p := restartPolicy()
	for _, jump := range []time.Duration{-100 * time.Hour, -3 * time.Second, 3 * time.Second, 100 * time.Hour} {
		for at := 1; at < 40; at++ {
			calm, set := newDyingNode(), newDyingNode()
			var one, other State
			for i := range 40 {
				if i == at {
					set.calendar = jump
					for k := range set.inFlight {
						set.inFlight[k].Since = set.inFlight[k].Since.Add(jump)
					}
				}
				one, other = calm.step(p, one), set.step(p, other)
				if calm.last.Why != set.last.Why || killed(calm.last) != killed(set.last) || calm.last.Budget.Left != set.last.Budget.Left {
					t.Fatalf("set by %s at tick %d: %s and %s at tick %d", jump, at, calm.last.Why, set.last.Why, i)
				}
			}
		}
	}
}

// Times that lie after those at which they were kept do not keep a breaker open,
// or a kill under way, for longer.
func TestAResumeFromTheFutureIsBounded(t *testing.T) {
	p := restartPolicy()
	n := newDyingNode()
	later := t0.Add(1000 * time.Hour)
	st := Resume{
		Clock: snapshot.Steady{At: t0, Uptime: time.Hour}, Kills: []time.Time{later, t0.Add(-time.Minute), later},
		BreakerOpenSince: later, LastGone: later, UnderWay: []InFlight{{Key: snapshot.Key{ID: "a", Inode: 7}, Since: later}},
	}.State()
	if st = n.step(p, st); !n.last.Budget.Open() || n.last.Budget.Used != 3 {
		t.Errorf("budget %+v", n.last.Budget)
	}
	n.tick += 3600
	for range 3 {
		st = n.step(p, st)
	}
	if n.last.Budget.Open() || n.kills != 1 {
		t.Errorf("an hour later: %+v, %d kills", n.last.Budget, n.kills)
	}
}
