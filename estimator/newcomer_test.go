package estimator_test

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A launch is seen on disk before the agent lists it, and before it has a
// rate. None of that is anybody else's use.
func TestALaunchIsNotHeldAgainstTheNode(t *testing.T) {
	noRate := func(c *snapshot.Container) { c.CPU.Cores = snapshot.Value{Why: snapshot.FirstSample} }
	hog := func(class snapshot.Class, age time.Duration, fault func(*snapshot.Container)) actor {
		a := batch(1)
		a.class, a.age, a.fault = class, age, fault
		return a
	}
	e := mustUsage(t, direct())
	at := time.Unix(1_000_000, 0)
	for i, step := range []struct {
		what string
		hog  actor
	}{
		{"on disk, no rate yet, unknown to the agent", hog(snapshot.ClassUnknown, 0, noRate)},
		{"a rate, still unknown", hog(snapshot.ClassUnknown, time.Second, nil)},
		{"listed", hog(snapshot.ClassRevocable, 2*time.Second, nil)},
		{"listed, its reading lost", hog(snapshot.ClassRevocable, 3*time.Second, noRate)},
	} {
		s := scene(at.Add(time.Duration(i)*time.Second), web(1), step.hog)
		if u := e.Estimate(s).Resources[0].Unmanaged; u != 0 {
			t.Errorf("%s: %v is unmanaged, want nothing", step.what, u)
		}
	}

	// What is outside shows all the same: one tick late beside a newcomer, and
	// an unlisted container once the agent should have listed it.
	for name, later := range map[string]struct {
		hog  actor
		busy float64
		want []int64
	}{
		"a process beside newcomers": {hog(snapshot.ClassUnknown, 0, noRate), 3, []int64{0, 2000}},
		"a container that stays unlisted": {
			hog(snapshot.ClassUnknown, direct().ReportStaleAfter, nil), 2, []int64{1000, 1000},
		},
	} {
		e := mustUsage(t, direct())
		for i, want := range later.want {
			s := scene(at.Add(time.Duration(i)*time.Second), web(1), later.hog)
			s.Host.BusyCores = snapshot.ValueOf(later.busy)
			if u := e.Estimate(s).Resources[0].Unmanaged; int64(u) != want {
				t.Errorf("%s, tick %d: %v is unmanaged, want %d thousandths", name, i, u, want)
			}
		}
	}
}
