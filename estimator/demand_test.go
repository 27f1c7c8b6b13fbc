package estimator_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// contended is a node of 8 cores whose regular containers have so many threads
// each that want a core all the time, beside hogs of one core each. Everybody
// gets the same share of the time.
type contended struct {
	threads []int
	hogs    int
	sees    kernel
}

// kernel is what can be seen of waiting.
type kernel int

const (
	pressure kernel = iota
	runDelay
	nothing
	kernels
)

func (k kernel) String() string { return [...]string{"pressure", "run delay", "nothing"}[k] }

func (c *contended) scene(at time.Time) *snapshot.Snapshot {
	const cores = 8
	wanted := c.hogs
	for _, n := range c.threads {
		wanted += n
	}
	share := math.Min(1, cores/math.Max(1, float64(wanted)))
	var cast []actor
	for i, n := range c.threads {
		cast = append(cast, actor{id: fmt.Sprintf("web%d", i), class: snapshot.ClassRegular, regular: resources.Milli(1000 * n), uses: share * float64(n), age: old})
	}
	for i := range c.hogs {
		cast = append(cast, actor{id: fmt.Sprintf("~hog%d", i), class: snapshot.ClassRevocable, revocable: 1000, uses: share, age: old})
	}
	s := scene(at, cast...)
	s.Host.CPUs, s.Host.BusyCores = snapshot.CountOf(cores), snapshot.ValueOf(math.Min(cores, float64(wanted)))
	s.Usage.Total.Set("cpus", 1000*cores)
	for i := range s.Containers {
		if i >= len(c.threads) {
			break
		}
		n := float64(c.threads[i])
		switch c.sees {
		case pressure:
			// At least one of n independent threads waits.
			s.Containers[i].Pressure.CPUSome = snapshot.ValueOf(1 - math.Pow(share, n))
		case runDelay:
			s.Containers[i].CPU.RunDelay = snapshot.ValueOf(n * (1 - share))
		}
	}
	return s
}

// CPU contention among regular tasks never raises the offer, at no tick, however many hogs
// take their CPU, and with whatever the kernel shows of it.
func TestContentionNeverRaisesTheOffer(t *testing.T) {
	for sees := range kernels {
		t.Run(sees.String(), func(t *testing.T) {
			sawContention := false
			rapid.Check(t, func(t *rapid.T) {
				cfg := direct()
				r := &cfg.Resources[0]
				r.Predictor = rapid.SampledFrom([]string{"latest", "tce", "container-max"}).Draw(t, "predictor")
				r.Peak = predict.Config{Interval: time.Second, Window: time.Second, Horizon: 5 * time.Second, TargetViolation: 0.01}
				among, alone := mustUsage(t, cfg), mustUsage(t, cfg)
				threads := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 2).Draw(t, "threads")
				at := start
				tick := func(e *tracked, hogs int) estimator.ResourceOffer {
					node := contended{sees: sees, threads: threads, hogs: hogs}
					s := node.scene(at)
					// The first is allocated more than it wants.
					s.Usage.Executors[0].Regular.Set("cpus", resources.Milli(1000*threads[0]+3000))
					return e.Estimate(s).Resources[0]
				}
				hogs, hadContention := append(make([]int, 10), rapid.SliceOfN(rapid.IntRange(0, 40), 1, 10).Draw(t, "hogs")...), false
				if r.Predictor == "tce" {
					// A peak that has passed is one that it has learned from.
					slices.Sort(hogs)
				}
				for _, n := range hogs {
					for range 3 {
						at = at.Add(time.Second)
						now, fair := tick(among, n), tick(alone, 0)
						if now.Target > fair.Target || now.Demand < fair.Demand {
							t.Fatalf("with %d hogs %v may be offered for a demand of %v, without any %v for %v; use is %v",
								n, now.Target, now.Demand, fair.Target, fair.Demand, now.Usage)
						}
						hadContention = hadContention || now.Usage < fair.Usage
					}
				}
				sawContention = sawContention || hadContention
			})
			if !sawContention {
				t.Error("no regular container was ever contended")
			}
		})
	}
}
