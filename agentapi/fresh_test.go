package agentapi

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestFreshUsageIsWantedOncePerContainer(t *testing.T) {
	f := freshness{every: 5 * time.Second}
	a, b := snapshot.Key{ID: "a", Inode: 1}, snapshot.Key{ID: "b", Inode: 2}
	u := report(noon)
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for i, step := range []struct {
		snap   *snapshot.Snapshot
		latest *snapshot.Usage
		woke   bool
	}{
		{onDisk(at(0), nil, a), nil, false},                                 // no agent to ask
		{onDisk(at(1), u, a), u, true},                                      // a is new
		{onDisk(at(2), u, a), u, false},                                     // asked already
		{onDisk(at(3), u, a, b), u, false},                                  // b is new, but it is too soon
		{onDisk(at(6), u, a, b), u, true},                                   // now
		{onDisk(at(20), u, a, b), u, false},                                 // both asked
		{onDisk(at(30), u, b), u, false},                                    // a ended
		{onDisk(at(40), u, snapshot.Key{ID: "a", Inode: 3}, b), u, true},    // another a
		{onDisk(at(50), u, snapshot.Key{ID: "c", Inode: 4}, b), nil, false}, // no agent any more
		// c came after the tick's report, and the newest one lists it.
		{onDisk(at(60), u, snapshot.Key{ID: "c", Inode: 4}, b), report(at(60), executor("c")), false},
	} {
		if got := f.observe(step.snap, step.latest); got != step.woke {
			t.Errorf("step %d: woke %t, want %t", i, got, step.woke)
		}
		if step.woke && !f.wanted {
			t.Errorf("step %d: not wanted", i)
		}
		if asked := f.received(); asked != step.woke {
			t.Errorf("step %d: the report was asked for: %t", i, asked)
		}
	}
}

func TestFreshUsageIsNotWantedFor(t *testing.T) {
	known := executor("x")
	for name, c := range map[string]snapshot.Container{
		"a nested container":  {Key: snapshot.Key{ID: "x", Inode: 1}, Parent: "p", OnDisk: true},
		"one not on disk":     {Key: snapshot.Key{ID: "x"}},
		"one the agent lists": {Key: snapshot.Key{ID: "x", Inode: 1}, OnDisk: true, Executor: &known},
	} {
		t.Run(name, func(t *testing.T) {
			f := freshness{}
			u := report(noon)
			if f.observe(&snapshot.Snapshot{At: noon, Usage: u, TreeWhy: snapshot.Present, Containers: []snapshot.Container{c}}, u) {
				t.Error("woke")
			}
		})
	}
	f := freshness{}
	s := onDisk(noon, report(noon), snapshot.Key{ID: "x", Inode: 1})
	s.TreeWhy = snapshot.Denied
	if f.observe(s, s.Usage) {
		t.Error("woke although the tree could not be read")
	}
}
