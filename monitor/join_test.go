package monitor_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

func TestJoin(t *testing.T) {
	c, n := copied(t, cgrouptest.Split)
	c.Make("both")
	c.Make("disk")
	c.Make("both/mesos/agent-only") // a nested one is never an executor's
	usage := &snapshot.Usage{Executors: []snapshot.Executor{
		{ContainerID: "both", ExecutorID: "e1", Class: snapshot.ClassRevocable},
		{ContainerID: "agent-only", ExecutorID: "e2", Class: snapshot.ClassRegular},
		{ContainerID: "twice", ExecutorID: "e3", Class: snapshot.ClassRevocable},
		{ContainerID: "twice", ExecutorID: "e4", Class: snapshot.ClassRegular},
	}}
	n.tick(time.Second, nil)
	n.tick(time.Second, nil)
	s := n.tick(time.Second, usage)
	type line struct {
		ID, Parent, Executor string
		OnDisk               bool
		Why                  snapshot.Absence
	}
	lines := func(s *snapshot.Snapshot) []line {
		var list []line
		for _, c := range s.Containers {
			l := line{ID: c.ID, Parent: c.Parent, OnDisk: c.OnDisk, Why: c.Memory.UsageBytes.Why}
			if c.Executor != nil {
				l.Executor = c.Executor.ExecutorID
			}
			list = append(list, l)
		}
		return list
	}
	want := []line{
		{"agent-only", "", "e2", false, snapshot.NotOnDisk},
		{"agent-only", "both", "", true, snapshot.Present},
		{"both", "", "e1", true, snapshot.Present},
		{"disk", "", "", true, snapshot.Present},
		{"twice", "", "e4", false, snapshot.NotOnDisk},
	}
	if diff := cmp.Diff(want, lines(s)); diff != "" {
		t.Error(diff)
	}
	if s.Usage != usage || !s.Containers[0].FirstSeen.Equal(s.At) || !s.Containers[0].At.Equal(s.At) {
		t.Errorf("%+v", s)
	}
	first := s.At
	if s = n.tick(time.Second, usage); !s.Containers[0].FirstSeen.Equal(first) {
		t.Errorf("first seen at %v, was %v", s.Containers[0].FirstSeen, first)
	}
	// The agent forgets them: what is on disk is unknown, the rest is gone.
	s = n.tick(time.Second, &snapshot.Usage{})
	want = []line{
		{"agent-only", "both", "", true, snapshot.Present},
		{"both", "", "", true, snapshot.Present},
		{"disk", "", "", true, snapshot.Present},
	}
	if diff := cmp.Diff(want, lines(s)); diff != "" {
		t.Error(diff)
	}
}
