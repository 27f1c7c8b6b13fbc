package predict

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestStatePerContainerIsSmall(t *testing.T) {
	t.Parallel()
	key := unsafe.Sizeof(snapshot.Key{})
	slot := unsafe.Sizeof(int32(0))
	if got := unsafe.Sizeof(tceContainer{}) + 2*(key+slot); got > 256 {
		t.Errorf("tce keeps %d bytes per container, want at most 256", got)
	}
	if got := unsafe.Sizeof(tce{}); got > 32<<10 {
		t.Errorf("tce keeps %d bytes per node and resource, want at most 32 KiB", got)
	}
}

// The truths that promises reach in one pass are those of the definition.
func TestPromisesKnowTheTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const horizon = 5
		steps := rapid.IntRange(2, 30).Draw(t, "steps")
		demand := make([]map[int]float64, steps) // by container; not there: absent
		for i := range demand {
			demand[i] = map[int]float64{}
			for id := range 4 {
				if rapid.Bool().Draw(t, "present") {
					demand[i][id] = float64(rapid.IntRange(0, 9).Draw(t, "demand"))
				}
			}
		}
		p := promises{horizon: horizon * time.Second}
		joined := map[int]int64{}
		got := map[int64]float64{}
		settle := func(at time.Time) {
			for p.over(at) {
				o := p.pop()
				got[o.seq] = o.truth
			}
		}
		at := time.Unix(0, 0)
		for i, now := range demand {
			seq := int64(i + 1)
			at = at.Add(time.Second)
			p.begin()
			total := 0.0
			for id := range 4 {
				u, present := now[id]
				switch {
				case !present:
					delete(joined, id)
				case joined[id] == 0:
					joined[id] = seq
				}
				if present {
					total += p.observe(joined[id], u)
				}
			}
			p.end(total)
			settle(at)
			*p.push() = promise{at: at, seq: seq}
		}
		for i := range steps - horizon {
			want := 0.0
			for s := i + 1; s <= i+horizon; s++ {
				sum := 0.0
				for id := range demand[i] {
					stayed := true
					for k := i; k <= s; k++ {
						_, present := demand[k][id]
						stayed = stayed && present
					}
					if stayed {
						sum += demand[s][id]
					}
				}
				want = max(want, sum)
			}
			if got[int64(i+1)] != want {
				t.Fatalf("promise of step %d: truth %v, want %v", i, got[int64(i+1)], want)
			}
		}
	})
}

func TestStateStaysWithItsContainer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r PerContainer[int]
		want := map[string]int{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			var now []Sample
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				if rapid.Bool().Draw(t, id) {
					now = append(now, Sample{Container: Container{Key: snapshot.Key{ID: id}}})
				}
			}
			states := r.Match(now)
			next := map[string]int{}
			for i := range now {
				s := states.Of(i)
				if *s != want[now[i].ID] {
					t.Fatalf("%s has %d, want %d", now[i].ID, *s, want[now[i].ID])
				}
				*s++
				next[now[i].ID] = *s
			}
			want = next
		}
		if len(r.states) > 10 {
			t.Fatalf("%d places for five containers", len(r.states))
		}
	})
}

func TestBlockMaxIsTheMaximumOfTheWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const window = 12 * time.Minute
		clock := newBlockClock(window)
		var b blockMax
		type reading struct {
			at    time.Time
			value float64
		}
		var all []reading
		at := time.Unix(1_700_000_000, 0)
		for range rapid.IntRange(1, 60).Draw(t, "readings") {
			at = at.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "after")) * time.Second)
			v := float64(rapid.IntRange(0, 100).Draw(t, "value"))
			all = append(all, reading{at, v})
			if turns := clock.advance(at); turns > 0 {
				b.turn(clock.Slot, turns)
			}
			b.add(clock.Slot, v)
			atLeast, atMost := 0.0, 0.0
			for _, r := range all {
				if age := at.Sub(r.at); age <= window {
					atLeast = max(atLeast, r.value)
				}
				if age := at.Sub(r.at); age < window+window/windowBlocks {
					atMost = max(atMost, r.value)
				}
			}
			if got := b.max(clock.Slot); got < atLeast || got > atMost {
				t.Fatalf("maximum %v, want %v to %v", got, atLeast, atMost)
			}
		}
	})
}

func TestResidualsQuantile(t *testing.T) {
	t.Parallel()
	h := residuals{}
	const n = 10000
	for i := range n { // an exponential distribution of mean 0.1, by its quantiles
		h.add(-0.1*math.Log((float64(i)+0.5)/n), 1)
	}
	for _, p := range []float64{0.5, 0.25, 0.1, 0.01} {
		want := -0.1 * math.Log(p)
		got := h.above(p)
		if math.Abs(got.quantile-want) > 0.01*want {
			t.Errorf("upper %v quantile: %v, want %v", p, got.quantile, want)
		}
		// Above any quantile, the mean excess of an exponential is its mean.
		if mean := got.excess / got.weight; got.weight > 0 && math.Abs(mean-0.1) > 0.015 {
			t.Errorf("mean excess over the upper %v quantile: %v, want 0.1", p, mean)
		}
	}
	h.scale(0.5)
	if got := h.above(0.1).quantile; math.Abs(got+0.1*math.Log(0.1)) > 0.003 || h.Total != n/2 {
		t.Errorf("scaled: quantile %v of a weight of %v", got, h.Total)
	}
}
