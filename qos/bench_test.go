package qos

import (
	"fmt"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

func benchNode(busy float64) *snapshot.Snapshot {
	cs := make([]snapshot.Container, 1000)
	for i := range cs {
		class := snapshot.ClassRegular
		if i%2 == 1 {
			class = snapshot.ClassRevocable
		}
		cs[i] = container(fmt.Sprintf("container-%04d", i), class, 0.001*float64(i%17), 0.01)
	}
	return node(t0, busy, cs...)
}

// One tick at 1000 containers: calm, with every one of the 500 revocable ones
// ranked, with all of them throttled, and at the tick that throttles them.
func BenchmarkDecide(b *testing.B) {
	p := cpuPolicy()
	p.Rules = append(p.Rules, loadPolicy().Rules...)
	p.Rules[0].For = time.Second
	b.Run("calm", func(b *testing.B) {
		s := benchNode(1)
		_, st := decide(p, State{}, s, nil)
		in := Input{Snapshot: s, Demands: demandsOf(s)}
		b.ReportAllocs()
		for b.Loop() {
			_, st = Decide(p, st, in)
		}
	})
	b.Run("preempting", func(b *testing.B) {
		s := benchNode(2)
		_, st := decide(p, State{}, s, nil)
		s.At = after(1)
		in := Input{Snapshot: s, Demands: demandsOf(s)}
		b.ReportAllocs()
		for b.Loop() {
			if d, _ := Decide(p, st, in); len(d.Kills) != 1 {
				b.Fatal(d.Why)
			}
		}
	})
	b.Run("throttling", func(b *testing.B) {
		p := slowPolicy(policy.Throttle)
		s := benchNode(2)
		_, st := decide(p, State{}, s, nil)
		_, st = decide(p, st, s, nil)
		in := Input{Snapshot: s, Demands: demandsOf(s)}
		b.ReportAllocs()
		for b.Loop() {
			d, _ := Decide(p, st, in)
			if len(d.Actions.Throttles) != 500 {
				b.Fatal(len(d.Actions.Throttles))
			}
		}
	})
	b.Run("tightening", func(b *testing.B) {
		p := slowPolicy(policy.Throttle)
		s := benchNode(2)
		_, st := decide(p, State{}, s, nil)
		in := Input{Snapshot: s, Demands: demandsOf(s)}
		b.ReportAllocs()
		for b.Loop() {
			if d, _ := Decide(p, st, in); len(d.Actions.Throttles) == 0 {
				b.Fatal(d.Why)
			}
		}
	})
}

// A calm tick allocates what it hands out and the room to work in, however many
// containers there are.
func TestCalmTickAllocatesOnlyItsRecord(t *testing.T) {
	p := cpuPolicy()
	s := benchNode(1)
	_, st := decide(p, State{}, s, nil)
	in := Input{Snapshot: s, Demands: demandsOf(s)}
	if n := testing.AllocsPerRun(100, func() { _, st = Decide(p, st, in) }); n > 9 {
		t.Errorf("%v allocations per tick with one rule, want 9", n)
	}
}
