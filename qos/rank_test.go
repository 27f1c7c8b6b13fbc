package qos

import (
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

func TestComparators(t *testing.T) {
	w := func(usage, allocated float64) weighed {
		return weighed{c: &snapshot.Container{}, Candidate: Candidate{Usage: usage, Over: usage - allocated}}
	}
	born := func(after time.Duration) weighed {
		return weighed{c: &snapshot.Container{FirstSeen: t0.Add(after)}}
	}
	named := func(id string, inode uint64) weighed {
		return weighed{Candidate: Candidate{Key: snapshot.Key{ID: id, Inode: inode}}}
	}
	for _, tc := range []struct {
		name          string
		by            comparator
		first, second weighed
		equal         bool
	}{
		{"priority: lower first", byPriority, weighed{Candidate: Candidate{Priority: -1}}, weighed{Candidate: Candidate{Priority: 0}}, false},
		{"priority: same", byPriority, weighed{Candidate: Candidate{Priority: 3}}, weighed{Candidate: Candidate{Priority: 3}}, true},
		{"over: the one above its own", byOver, w(0.5, 0.25), w(3, 4), false},
		{"over: the one further above", byOver, w(2, 1), w(2.5, 2), false},
		{"over: within their own are equal", byOver, w(0.1, 1), w(0.9, 1), true},
		{"over: 4 % is within", byOver, w(1.04, 1), w(0.9, 1), true},
		{"over: 6 % is not", byOver, w(1.06, 1), w(0.9, 1), false},
		{"over: all of it without an allocation", byOver, w(0.01, 0), w(0.9, 1), false},
		{"relief: the larger", byRelief, w(0.9, 1), w(0.5, 1), false},
		{"relief: same", byRelief, w(0.5, 2), w(0.5, 1), true},
		{"youth: seen later", byYouth, born(time.Second), born(0), false},
		{"youth: same", byYouth, born(0), born(0), true},
		{"id", byID, named("a", 9), named("b", 1), false},
		{"id: then inode", byID, named("a", 1), named("a", 2), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forth, back := tc.by(&tc.first, &tc.second), tc.by(&tc.second, &tc.first)
			if tc.equal && (forth != 0 || back != 0) {
				t.Errorf("told apart: %d and %d", forth, back)
			}
			if !tc.equal && (forth >= 0 || back <= 0) {
				t.Errorf("compared %d and %d, want the first one first", forth, back)
			}
		})
	}
}

// Each container loses to the one before it by the comparator it is named
// after, and would win by the next.
func TestVictimOrder(t *testing.T) {
	p := cpuPolicy()
	p.Victims.Priorities = []policy.Priority{{Label: "cheap", Priority: -5}, {Role: "dear", Priority: 5}}
	cheap := revocable("1-cheap", 0.1)
	cheap.Executor.Labels = []snapshot.Label{{Key: "cheap"}}
	over := container("2-over", snapshot.ClassRevocable, 0.3, 0.1)
	large := revocable("3-large", 0.9)
	young := revocable("4-young", 0.5)
	young.FirstSeen = t0
	first, second := revocable("5-first", 0.5), revocable("6-second", 0.5)
	dear := revocable("0-dear", 1.9)
	dear.Executor.Role = "dear/er"
	s := node(t0, 2, dear, second, first, young, large, over, cheap)

	v := signal.Look(signal.Past{}, p.Fresh, s, nil, nil)
	var got []string
	for _, w := range (&turn{p: p, v: &v, e: &engine{}}).weigh(policy.CPU) {
		got = append(got, w.ID)
	}
	want := []string{"1-cheap", "2-over", "3-large", "4-young", "5-first", "6-second", "0-dear"}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}
