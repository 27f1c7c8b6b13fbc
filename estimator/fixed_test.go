package estimator_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestFixed(t *testing.T) {
	total := resources.Quantities{{Name: "cpus", Amount: 4000}, {Name: "mem", Amount: 512000}}
	held := func(cpus resources.Milli) *snapshot.Usage {
		return &snapshot.Usage{Executors: []snapshot.Executor{{ContainerID: "c", Revocable: resources.Quantities{{Name: "cpus", Amount: cpus}}}}}
	}
	for _, tc := range []struct {
		name  string
		usage *snapshot.Usage
		want  string
	}{
		{"before the first report", nil, "cpus:4;mem:512"},
		{"nothing held", held(0), "cpus:4;mem:512"},
		{"one cpu held", held(1000), "cpus:3;mem:512"},
		{"more held than the total", held(5000), "mem:512"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := estimator.NewFixed(total)
			e.Feedback(estimator.Feedback{Acted: true})
			o := e.Estimate(&snapshot.Snapshot{Seq: 3, At: start, Usage: tc.usage}, nil)
			var free resources.Quantities
			for _, r := range o.Resources {
				free.Set(r.Resource, r.Offered)
				if r.Why != reason.Fixed || r.Estimate != nil || r.Governor != nil || (r.Allocated == nil) != (tc.usage == nil) {
					t.Errorf("%+v: want why fixed and nothing that was not computed", r)
				}
			}
			if free.String() != tc.want {
				t.Errorf("free %q, want %q", free, tc.want)
			}
			if got := o.Answer(tc.usage, start.Add(24*time.Hour)).String(); got != tc.want {
				t.Errorf("answer a day later %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNoop(t *testing.T) {
	o := estimator.NewNoop().Estimate(scene(start, web(1), batch(1)), nil)
	if len(o.Resources) != 1 || o.Resources[0].Why != reason.Noop || o.Resources[0].RevocableAllocated != 1000 {
		t.Errorf("offer %+v", o)
	}
	if r := o.Resources[0]; r.Estimate != nil || r.Governor != nil {
		t.Errorf("%+v: nothing was estimated", r)
	}
	if got := o.Answer(nil, start); len(got) != 0 {
		t.Errorf("answer %v, want none", got)
	}
}

// Each case is answered from the same tick: web has 3 cpus of slack, db 1.5.
func TestAnswer(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cast  []actor
		after time.Duration
		want  string
	}{
		{name: "nothing changed", cast: []actor{web(1), db(0.5)}, want: "cpus:4.5"},
		{name: "a revocable one came", cast: []actor{web(1), db(0.5), {id: "c", class: snapshot.ClassRevocable, revocable: 1000}}, want: "cpus:3.5"},
		{name: "db left", cast: []actor{web(1)}, want: "cpus:2.5"},
		{name: "db left and its like came", cast: []actor{web(1), {id: "d", class: snapshot.ClassRegular, regular: 2000}}, want: "cpus:2.5"},
		{name: "db shrank", cast: []actor{web(1), {id: "b-db", class: snapshot.ClassRegular, regular: 1500}}, want: "cpus:4"},
		{name: "db grew", cast: []actor{web(1), {id: "b-db", class: snapshot.ClassRegular, regular: 3000}}, want: "cpus:4.5"},
		{name: "db became shared", cast: []actor{web(1), {id: "b-db", class: snapshot.ClassShared, regular: 2000}}, want: "cpus:2.5"},
		{name: "all left", cast: nil, want: ""},
		{name: "as long as it is valid", cast: []actor{web(1), db(0.5)}, after: 10 * time.Second, want: "cpus:4.5"},
		{name: "after that", cast: []actor{web(1), db(0.5)}, after: 10*time.Second + 1, want: ""},
		{name: "the clock was set back", cast: []actor{web(1), db(0.5)}, after: -11 * time.Second, want: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := mustUsage(t, direct()).Estimate(scene(start, web(1), db(0.5)))
			if got := o.Answer(scene(start, tc.cast...).Usage, start.Add(tc.after)).String(); got != tc.want {
				t.Errorf("answer %q, want %q", got, tc.want)
			}
			if got := o.Answer(nil, start); len(got) != 0 {
				t.Errorf("answer without a report %v", got)
			}
		})
	}
}

func TestModes(t *testing.T) {
	if want := []string{"usage", "allocation", "usage+allocation", "fixed", "noop"}; !slices.Equal(estimator.Modes(), want) {
		t.Errorf("modes %v, want %v", estimator.Modes(), want)
	}
	for _, name := range estimator.Modes() {
		if e, err := estimator.New(name, estimator.Config{Usage: estimator.DefaultUsage(), Allocation: directAllocation()}); err != nil || e == nil {
			t.Errorf("mode %s: %v", name, err)
		}
		if estimator.Brief(name) == "" {
			t.Errorf("mode %s has no brief", name)
		}
	}
	if _, err := estimator.New("guess", estimator.Config{}); !errors.Is(err, estimator.ErrConfig) || estimator.Brief("guess") != "" {
		t.Errorf("unknown mode: error %v", err)
	}
}
