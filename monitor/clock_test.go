package monitor_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
)

// clock is a monotonic clock that stands still until it is moved.
type clock struct{ mono time.Duration }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (c *clock) read() time.Duration { return c.mono }

// node is a monitor on a stepped clock.
type node struct {
	tb testing.TB
	*monitor.Monitor
	clock clock
}

func newNode(tb testing.TB, cfg monitor.Config) *node {
	tb.Helper()
	n := &node{tb: tb}
	cfg.Monotonic = n.clock.read
	m, err := monitor.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeMonitor(tb, m) })
	n.Monitor = m
	return n
}

func closeMonitor(tb testing.TB, m *monitor.Monitor) {
	tb.Helper()
	if err := m.Close(); err != nil {
		tb.Error(err)
	}
}

// tick samples after d.
func (n *node) tick(d time.Duration, usage *snapshot.Usage) *snapshot.Snapshot {
	n.clock.mono += d
	return n.Sample(epoch.Add(n.clock.mono), usage)
}

// only is the one container of s.
func only(tb testing.TB, s *snapshot.Snapshot) *snapshot.Container {
	tb.Helper()
	if len(s.Containers) != 1 {
		tb.Fatalf("%d containers, want 1: %+v", len(s.Containers), s.Containers)
	}
	return &s.Containers[0]
}

// ids are the containers of s in order, those nested as parent/child.
func ids(s *snapshot.Snapshot) []string {
	list := make([]string, 0, len(s.Containers))
	for _, c := range s.Containers {
		id := c.ID
		if c.Parent != "" {
			id = c.Parent + "/" + id
		}
		list = append(list, id)
	}
	return list
}
