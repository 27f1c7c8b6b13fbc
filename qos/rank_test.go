package qos

import (
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// The first is the better victim; what one criterion cannot tell apart is left to
// the next.
func TestCompareVictims(t *testing.T) {
	w := func(usage, allocated float64) weighed {
		return weighed{c: &snapshot.Container{}, Candidate: Candidate{Usage: usage, Over: usage - allocated}}
	}
	of := func(priority int, id string, inode uint64, born time.Duration) weighed {
		return weighed{
			c:         &snapshot.Container{FirstSeen: t0.Add(born)},
			Candidate: Candidate{Key: snapshot.Key{ID: id, Inode: inode}, Priority: priority},
		}
	}
	for _, tc := range []struct {
		name          string
		first, second weighed
	}{
		{"priority: lower first", of(-1, "b", 1, 0), of(0, "a", 1, time.Second)},
		{"priority: the same, so the youngest", of(3, "b", 1, time.Second), of(3, "a", 1, 0)},
		{"over: the one above its own", w(0.5, 0.25), w(3, 4)},
		{"over: the one further above", w(2, 1), w(2.5, 2)},
		{"over: within their own are equal, so the larger", w(0.9, 1), w(0.1, 1)},
		{"over: 4 % is within, so the larger", w(0.9, 1), w(0.52, 0.5)},
		{"over: 6 % is not", w(0.53, 0.5), w(0.9, 1)},
		{"over: all of it without an allocation", w(0.01, 0), w(0.9, 1)},
		{"relief: the larger", w(0.9, 1), w(0.5, 1)},
		{"youth: seen later", of(0, "b", 1, time.Second), of(0, "a", 1, 0)},
		{"youth: the same, so the id", of(0, "a", 9, 0), of(0, "b", 1, 0)},
		{"id: then inode", of(0, "a", 1, 0), of(0, "a", 2, 0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if forth, back := compareVictims(&tc.first, &tc.second), compareVictims(&tc.second, &tc.first); forth >= 0 || back <= 0 {
				t.Errorf("compared %d and %d, want the first one first", forth, back)
			}
		})
	}
	same := w(0.5, 2)
	if n := compareVictims(&same, &same); n != 0 {
		t.Errorf("one and the same compares %d", n)
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
