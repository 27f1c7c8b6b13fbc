package recording

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// recorded are the ticks that come back of a directory into which those were
// recorded.
func recorded(t *testing.T, ticks []Tick) (back []Tick) {
	t.Helper()
	dir := t.TempDir()
	w, err := Create(dir, Options{Queue: len(ticks)}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ticks {
		if err := w.Record(&ticks[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for tick, err := range r.Ticks() {
		if err != nil {
			t.Fatal(err)
		}
		tick.Snapshot = clone(tick.Snapshot)
		back = append(back, tick)
	}
	return back
}

func TestInputsAreRecorded(t *testing.T) {
	n := newNode(2)
	var ticks []Tick
	for i := range 4 {
		s := clone(n.tick())
		in := Inputs{Policy: "abc", Policies: 1 + i/2, After: 2 * i, Orders: qos.Commands{ResetBudget: i == 2, Paused: i == 3}}
		for range i {
			in.InFlight = append(in.InFlight, qos.InFlight{Key: snapshot.Key{ID: "c", Inode: uint64(i)}, Since: s.At.Add(-time.Second)})
		}
		if i == 0 || i == 3 {
			in.Start = &Start{Seed: 1 << 63, Checkpoint: slices.Repeat([]byte("{}\x00"), i), Decisions: slices.Repeat([]byte("{\"kills\":[]}"), i+1)}
			if i == 0 {
				in.Start.Checkpoint = nil
			}
		}
		ticks = append(ticks, Tick{Snapshot: s, Wall: s.At.Add(time.Hour), Inputs: &in})
	}
	back := recorded(t, ticks)
	if len(back) != len(ticks) {
		t.Fatalf("%d ticks, want %d", len(back), len(ticks))
	}
	for i := range ticks {
		if diff := cmp.Diff(ticks[i].Inputs, back[i].Inputs); diff != "" || !back[i].Wall.Equal(ticks[i].Wall) {
			t.Errorf("tick %d at %v (-recorded +read):\n%s", i, back[i].Wall, diff)
		}
		diff(t, back[i].Snapshot, ticks[i].Snapshot)
	}
}

func TestATickMayComeWithoutInputs(t *testing.T) {
	s := clone(newNode(1).tick())
	back := recorded(t, []Tick{*tickOf(s)})
	if len(back) != 1 || back[0].Inputs != nil || !back[0].Wall.Equal(s.At) {
		t.Errorf("%+v; want one tick without inputs", back)
	}
}

// calendarSet is t, at whose calendar somebody has turned: the time that it shows
// is d later, and the one that differences go by is the same. There is no other
// way to make one than to set the clock of the machine.
func calendarSet(t time.Time, d time.Duration) time.Time {
	moved := t.Add(d)
	(*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&moved)).ext -= int64(d)
	return moved
}

// Where the clock is set while the daemon runs, ages are what they were.
func TestAgesAreThoseOfTheMonotonicClock(t *testing.T) {
	const set = -3 * time.Hour
	base := time.Now()
	n := newNode(1)
	before, after := base.Add(time.Second), calendarSet(base.Add(2*time.Second), set)
	if after.Sub(before) != time.Second || after.Round(0).Sub(before.Round(0)) != set+time.Second {
		t.Fatalf("the clock was not set: %v, %v", before, after)
	}
	var ticks []Tick
	for _, at := range []time.Time{before, after} {
		s := clone(n.tick())
		s.At, s.Host.At = at, at.Add(-time.Millisecond)
		if s.Usage != nil {
			u := *s.Usage
			u.At = base
			s.Usage = &u
		}
		ticks = append(ticks, Tick{Snapshot: s, Wall: s.At, Inputs: &Inputs{InFlight: []qos.InFlight{{Since: base}}}})
	}
	back := recorded(t, ticks)
	if got := back[1].At.Sub(back[0].At); got != time.Second {
		t.Errorf("%s between the ticks, want 1s", got)
	}
	for i := range back {
		got, want := &back[i], &ticks[i]
		if g, w := got.At.Sub(got.Inputs.InFlight[0].Since), want.At.Sub(base); g != w {
			t.Errorf("tick %d: a kill of %s, want %s", i, g, w)
		}
		if g, w := got.At.Sub(got.Host.At), time.Millisecond; g != w {
			t.Errorf("tick %d: the host was read %s before, want %s", i, g, w)
		}
		if !got.Wall.Equal(want.At.Round(0)) {
			t.Errorf("tick %d: at %s by the calendar, want %s", i, got.Wall, want.At)
		}
	}
}
