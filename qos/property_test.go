package qos

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// anyValue is mostly a reading, at times an absent or an impossible one.
func anyValue(t *rapid.T, label string, most float64) snapshot.Value {
	switch rapid.IntRange(0, 9).Draw(t, label+" fault") {
	case 0:
		return snapshot.Value{Why: rapid.SampledFrom([]snapshot.Absence{snapshot.NotRead, snapshot.Denied, snapshot.Backwards, snapshot.FirstSample}).Draw(t, label+" why")}
	case 1:
		return snapshot.ValueOf(rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 1e18}).Draw(t, label+" bad"))
	default:
		return snapshot.ValueOf(rapid.Float64Range(0, most).Draw(t, label))
	}
}

// anyContainer is any container there can be, and some that cannot.
func anyContainer(t *rapid.T, i int, now time.Time) snapshot.Container {
	class := rapid.SampledFrom([]snapshot.Class{
		snapshot.ClassUnknown, snapshot.ClassRegular, snapshot.ClassRevocable, snapshot.ClassRevocable, snapshot.ClassShared,
	}).Draw(t, "class")
	c := container(fmt.Sprintf("c%d", i), class, 0, rapid.Float64Range(0, 4).Draw(t, "allocated"))
	c.CPU.Cores = anyValue(t, "cores", 2)
	c.At = now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 9, 11, -11}).Draw(t, "age")) * time.Second)
	c.FirstSeen = now.Add(-time.Duration(rapid.IntRange(-5, 600).Draw(t, "known")) * time.Second)
	c.OnDisk = rapid.IntRange(0, 5).Draw(t, "on disk") > 0
	if rapid.IntRange(0, 5).Draw(t, "nested") == 0 {
		c.Parent = "parent" // an executor on a nested container: never from a real agent
	}
	if c.Executor != nil && rapid.IntRange(0, 9).Draw(t, "lies") == 0 {
		c.Executor.Class = snapshot.ClassRevocable // says so, whatever it holds
	}
	return c
}

func anySnapshot(t *rapid.T, at time.Time) *snapshot.Snapshot {
	s := node(at, 0)
	s.Host.BusyCores = anyValue(t, "busy", 2)
	if rapid.IntRange(0, 3).Draw(t, "saturated") > 0 {
		s.Host.BusyCores = snapshot.ValueOf(2)
	}
	s.Host.Load5, s.Host.Load15 = anyValue(t, "load5", 12), anyValue(t, "load15", 12)
	for i := range rapid.SampledFrom([]int{0, 1, 3, 4, 6}).Draw(t, "containers") {
		s.Containers = append(s.Containers, anyContainer(t, i, at))
	}
	switch rapid.IntRange(0, 12).Draw(t, "blind") {
	case 0:
		s.Usage = nil
	case 1:
		s.Usage.At = at.Add(-time.Minute)
	case 2:
		s.TreeWhy = snapshot.Failed
	}
	return s
}

// Over any history: at most one kill at a time and none during one, only of a
// container whose every task is revocable, which can be read and is old, large
// and unprotected enough; none while an input is missing; always the first of
// the candidates; and the same from the same.
func TestDecideNeverKillsWhatItMustNot(t *testing.T) {
	kills := 0
	history := func(t *rapid.T) {
		p := cpuPolicy()
		p.Rules = append(p.Rules, loadPolicy().Rules...)
		for i := range p.Rules {
			p.Rules[i].For = time.Duration(rapid.IntRange(0, 2).Draw(t, "for")) * time.Second
			p.Rules[i].Settle = time.Duration(rapid.IntRange(0, 3).Draw(t, "settle")) * time.Second
		}
		p.Victims.MinAge = time.Duration(rapid.IntRange(0, 60).Draw(t, "min age")) * time.Second
		p.Victims.MinUsage = rapid.Float64Range(0, 1).Draw(t, "min usage")
		if rapid.IntRange(0, 5).Draw(t, "protect") == 0 {
			p.Victims.Protect.Roles = []string{"batch"}
		}
		var st State
		var inFlight []InFlight
		var gone time.Time
		for tick := range rapid.SampledFrom([]int{1, 8, 16, 24}).Draw(t, "ticks") {
			s := anySnapshot(t, after(float64(tick)))
			before := fmt.Sprintf("%+v", st)
			d, next := decide(p, st, s, inFlight)
			again, nextAgain := decide(p, st, s, inFlight)
			if !reflect.DeepEqual(fmt.Sprintf("%+v %+v", d, next), fmt.Sprintf("%+v %+v", again, nextAgain)) {
				t.Fatalf("not the same from the same:\n%+v\n%+v", d, again)
			}
			if after := fmt.Sprintf("%+v", st); after != before {
				t.Fatalf("changed its input:\n%s\n%s", before, after)
			}
			for _, c := range d.Candidates {
				sc := find(s, c.Key)
				if sc.Class() == snapshot.ClassRegular || sc.Parent != "" {
					t.Fatalf("weighed %s, which is %s, nested in %q", c.ID, sc.Class(), sc.Parent)
				}
				if (c.Why == reason.Chosen) != (len(d.Kills) == 1 && d.Kills[0].Key() == c.Key) {
					t.Fatalf("candidate %s is %s, killed %q", c.ID, c.Why, killed(d))
				}
			}
			switch {
			case len(d.Kills) > 1:
				t.Fatalf("killed %q at once", killed(d))
			case len(d.Kills) == 1:
				kills++
				checkKill(t, p, s, d, inFlight, gone)
			}
			if len(inFlight) > 0 && rapid.Bool().Draw(t, "gone") {
				inFlight, gone = nil, after(float64(tick+1))
			}
			for _, v := range d.Kills {
				inFlight = append(inFlight, InFlight{Key: v.Key(), Since: s.At})
			}
			st = next
		}
	}
	for range 5 { // a kill is rare, a few in a hundred histories
		rapid.Check(t, history)
	}
	t.Logf("%d kills", kills)
	if kills == 0 {
		t.Error("no history led to a kill, so nothing was tested")
	}
}

func find(s *snapshot.Snapshot, k snapshot.Key) *snapshot.Container {
	for i := range s.Containers {
		if s.Containers[i].Key == k {
			return &s.Containers[i]
		}
	}
	return &snapshot.Container{}
}

func checkKill(t *rapid.T, p *policy.Policy, s *snapshot.Snapshot, d Decision, inFlight []InFlight, gone time.Time) {
	c := find(s, d.Kills[0].Key())
	switch {
	case len(inFlight) > 0:
		t.Fatalf("killed during a kill")
	case s.Usage == nil, s.At.Sub(s.Usage.At) > p.Fresh.Usage, s.TreeWhy != snapshot.Present:
		t.Fatalf("killed blindly")
	case c.Executor == nil, c.Executor.Revocable.IsZero(), !c.OnDisk, c.Parent != "":
		t.Fatalf("killed %+v", c)
	case !c.CPU.Cores.OK(), !(c.CPU.Cores.V >= p.Victims.MinUsage), math.IsInf(c.CPU.Cores.V, 0):
		t.Fatalf("killed one that uses %+v", c.CPU.Cores)
	case s.At.Sub(c.At) > p.Fresh.Sample, s.At.Sub(c.FirstSeen) < p.Victims.MinAge:
		t.Fatalf("killed one read at %s, seen first at %s", c.At, c.FirstSeen)
	case len(p.Victims.Protect.Roles) > 0:
		t.Fatalf("killed a protected one")
	case d.Candidates[0].Key != c.Key:
		t.Fatalf("killed %s, the first candidate is %s", c.ID, d.Candidates[0].ID)
	}
	for i := range c.Executor.Tasks {
		if c.Executor.Tasks[i].Revocable.IsZero() && !c.Executor.Tasks[i].Regular.IsZero() {
			t.Fatalf("killed a regular task with %s", c.ID)
		}
	}
	rule := d.Kills[0].Cause().Rule
	for i := range d.Rules {
		r := d.Rules[i]
		if r.Name != rule {
			continue
		}
		if r.Why != reason.Preempt || !(r.Value.V > r.Above) || s.At.Sub(r.Since) < p.Rules[i].For {
			t.Fatalf("killed by %+v", r)
		}
		if !gone.IsZero() && s.At.Sub(gone) < p.Rules[i].Settle {
			t.Fatalf("killed %s after the last victim was gone, settle is %s", s.At.Sub(gone), p.Rules[i].Settle)
		}
	}
}
