package estimator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// node is a node whose calendar can be set and whose daemon can be restarted.
type node struct {
	t        *testing.T
	cfg      estimator.UsageConfig
	e        *tracked
	up       time.Duration
	calendar time.Duration // how far the calendar is off
}

func (n *node) restart() {
	c := through(n.t, n.e.Save())
	n.e = mustUsage(n.t, n.cfg)
	if err := n.e.Restore(c); err != nil {
		n.t.Fatal(err)
	}
}

// tick is the offer of the next second, in which web uses so much.
func (n *node) tick(uses float64) resources.Milli {
	n.up += time.Second
	s := scene(start.Add(n.up+n.calendar), actor{id: "a-web", class: snapshot.ClassRegular, regular: 8000, uses: uses, age: old})
	s.Uptime = time.Hour + n.up
	return n.e.Estimate(s).Resources[0].Offered
}

// Setting the calendar forgets nothing: at any time, in both directions, with
// and without a restart, no more is offered than if nobody had touched it.
func TestACalendarThatIsSetForgetsNothing(t *testing.T) {
	steps := []time.Duration{0, time.Hour, -time.Hour, 25 * time.Hour, -25 * time.Hour, 87600 * time.Hour, -87600 * time.Hour}
	for _, predictor := range []string{"tce", "container-max", "node-max", "node-percentile"} {
		cfg := estimator.DefaultUsage()
		cfg.Resources[0].Predictor, cfg.Resources[0].Shadows = predictor, nil
		for _, when := range []int{1, 300, 420} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprint(predictor, when, restart), func(t *testing.T) {
					t.Parallel()
					var nodes []*node
					for range steps {
						nodes = append(nodes, &node{t: t, cfg: cfg, e: mustUsage(t, cfg)})
					}
					for sec := range 700 {
						uses := 1.0
						if sec%400 < 30 {
							uses = 6 // the peak that must not be forgotten
						}
						var want resources.Milli
						for i, n := range nodes {
							if sec == when {
								n.calendar = steps[i]
								if restart {
									n.restart()
								}
							}
							got := n.tick(uses)
							if i == 0 {
								want = got
							}
							if got > want {
								t.Fatalf("%d s: %v offered with the calendar set by %s, %v without", sec, got, steps[i], want)
							}
						}
					}
				})
			}
		}
	}
}

// What happened while the machine was off is not known, and ages nothing.
func TestATimeThatTheMachineWasOffForgetsNothing(t *testing.T) {
	cfg := estimator.DefaultUsage()
	n := &node{t: t, cfg: cfg, e: mustUsage(t, cfg)}
	for range 60 {
		n.tick(7)
	}
	for range 600 {
		n.tick(1)
	}
	n.restart()
	n.up, n.calendar = -time.Hour, 48*time.Hour // two days later, started anew
	for sec := range 900 {
		if got := n.tick(1); got > 1500 {
			t.Fatalf("%d s: %v offered after a peak of 7 of 8 CPUs", sec, got)
		}
	}
}

// A stop of the offer outlives a restart for as long as the rules need to find
// again that it is called for.
func TestAStoppedOfferOutlivesARestart(t *testing.T) {
	total := resources.Quantities{{Name: "cpus", Amount: 4000}}
	cfg := direct()
	for name, made := range map[string]func() *tracked{
		"fixed": func() *tracked { return &tracked{Estimator: estimator.NewFixed(total)} },
		"usage": func() *tracked { return mustUsage(t, cfg) },
	} {
		e := made()
		at := func(sec int) *snapshot.Snapshot {
			s := scene(start.Add(time.Duration(sec)*time.Second), web(1), batch(0.5))
			s.Uptime = time.Hour + time.Duration(sec)*time.Second
			return s
		}
		if got := e.Estimate(at(0)).Resources[0].Offered; got == 0 {
			t.Fatalf("%s: nothing is offered", name)
		}
		e.Feedback(estimator.Feedback{StopOffer: true})
		e.Estimate(at(1))
		saved := through(t, e.Save())
		e = made()
		if err := e.Restore(saved); err != nil {
			t.Fatal(name, err)
		}
		for sec := 2; sec <= 70; sec++ {
			e.Feedback(estimator.Feedback{}) // the rules begin anew
			if got := e.Estimate(at(sec)).Resources[0].Offered; (got == 0) != (sec < 62) {
				t.Errorf("%s: %v offered %d s after the restart", name, got, sec-2)
			}
		}
		if saved := through(t, e.Save()); saved.Stopped {
			t.Errorf("%s: still stopped", name)
		}
	}
}
