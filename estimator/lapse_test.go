package estimator_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// A reading that cannot be true is absent. It costs what is offered at that
// tick, and the few steps back up to within the dead-band: no peak, nothing that
// lasts.
func TestOneAbsentReadingCostsNothingThatLasts(t *testing.T) {
	impossible := snapshot.Value{Why: snapshot.Impossible}
	for name, fault := range map[string]func(*snapshot.Snapshot){
		"a container's use": func(s *snapshot.Snapshot) { s.Containers[0].CPU.Cores = impossible },
		"every container's": func(s *snapshot.Snapshot) {
			s.Containers[0].CPU.Cores, s.Containers[1].CPU.Cores = impossible, impossible
		},
		"the host's use":     func(s *snapshot.Snapshot) { s.Host.BusyCores = impossible },
		"the processors":     func(s *snapshot.Snapshot) { s.Host.CPUs = snapshot.Count{Why: snapshot.Impossible} },
		"the container tree": func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.Failed },
		"a pressure":         func(s *snapshot.Snapshot) { s.Containers[0].Pressure.CPUSome = impossible },
	} {
		for _, predictor := range []string{"tce", "container-max", "node-max", "node-percentile"} {
			cfg := estimator.DefaultUsage()
			cfg.Resources[0].Predictor = predictor
			cfg.Resources[0].Shadows = nil
			plain, faulty := mustUsage(t, cfg), mustUsage(t, cfg)
			const when = 1800
			for sec := range when + 1200 {
				s := scene(start.Add(time.Duration(sec)*time.Second),
					web(1+0.01*float64(sec%7)), actor{id: "b-db", class: snapshot.ClassRegular, regular: 4000, uses: 0.5, age: old})
				want := plain.Estimate(s).Resources[0]
				if sec == when {
					fault(s)
				}
				got := faulty.Estimate(s).Resources[0]
				switch {
				case sec < when:
				case got.Target > want.Target+20:
					t.Fatalf("%s, %s: a target of %v %d s later, %v without the fault", predictor, name, got.Target, sec-when, want.Target)
				case sec > when && got.Peak > want.Peak+20:
					t.Fatalf("%s, %s: a peak of %v %d s later, %v without the fault", predictor, name, got.Peak, sec-when, want.Peak)
				case sec > when+300 && got.RevocableTotal < want.RevocableTotal-want.Governor.DeadBand-want.Governor.Quantum:
					t.Fatalf("%s, %s: %v promised %d s later, %v without the fault", predictor, name, got.RevocableTotal, sec-when, want.RevocableTotal)
				case sec > when+300 && got.Governor.DeadBand > want.Governor.DeadBand:
					t.Fatalf("%s, %s: a dead-band of %v, %v without the fault", predictor, name, got.Governor.DeadBand, want.Governor.DeadBand)
				}
			}
		}
	}
}

// Page cache, of whichever list, is no use of memory and hides none: what runs
// outside the containers is the host's memory that cannot be dropped less theirs
// that cannot.
func TestPageCacheHidesNothing(t *testing.T) {
	cfg := direct()
	cfg.Resources[0].Name = "mem"
	offered := func(cache uint64) (resources.Milli, resources.Milli) {
		s := scene(start, web(2), batch(0.01))
		s.Host.MemAvailableBytes = snapshot.CountOf(0) // 6 GiB are used outside
		c := &s.Containers[1]
		c.Memory.ReclaimableBytes = snapshot.CountOf(cache)
		c.Memory.UsageBytes = snapshot.CountOf(c.Memory.UnreclaimableBytes.N + cache)
		r := mustUsage(t, cfg).Estimate(s).Resources[0]
		return r.Offered, r.Unmanaged
	}
	none, outside := offered(0)
	for _, cache := range []uint64{1 << 20, 4 << 30, 8 << 30} {
		if got, unmanaged := offered(cache); got != none || unmanaged != outside {
			t.Errorf("with %d bytes of cache %v is offered beside %v outside, without %v beside %v", cache, got, unmanaged, none, outside)
		}
	}
	if outside < 5_900_000 {
		t.Errorf("%v MB outside, want 6 GiB", outside)
	}
}

// What cannot be read hides nothing that runs outside the containers, from the
// first tick on.
func TestALapseHidesNothing(t *testing.T) {
	lost := func(c *snapshot.Container) {
		c.CPU.Cores, c.Memory.UnreclaimableBytes = snapshot.Value{Why: snapshot.Impossible}, snapshot.Count{Why: snapshot.Impossible}
	}
	for _, resource := range []string{resources.CPUs, resources.Mem} {
		cfg := direct()
		cfg.Resources[0].Name = resource
		for _, hog := range []actor{
			{id: "b-batch", class: snapshot.ClassRevocable, revocable: 3000, uses: 0.1, age: old, fault: lost},
			{id: "b-db", class: snapshot.ClassRegular, regular: 1000, uses: 0.1, age: old, fault: lost},
			{id: "b-both", class: snapshot.ClassShared, regular: 100, revocable: 3000, uses: 0.1, age: old, fault: lost},
		} {
			for at, first := range []int{0, 5} { // lost from the start on, and later
				e := mustUsage(t, cfg)
				for sec := range first + 4 {
					now := hog
					if sec < first {
						now.fault = nil
					}
					s := scene(start.Add(time.Duration(sec)*time.Second), web(1), now)
					s.Host.BusyCores, s.Host.MemAvailableBytes = snapshot.ValueOf(7), snapshot.CountOf(1<<30) // nearly 6 are used outside
					r := e.Estimate(s).Resources[0]
					if r.Offered != 0 {
						t.Errorf("%s of %s: %v offered at %d s of story %d: %+v", resource, hog.id, r.Offered, sec, at, *r.Estimate)
					}
				}
			}
		}
	}
}
