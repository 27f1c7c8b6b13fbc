package monitor

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestForesee(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name      string
		usual     float64
		worse     bool
		read      time.Duration // since the container was read
		calm      time.Duration // since the host was calm
		waited    time.Duration // since it was read
		throttled float64
		squeezed  bool
		degree    float64
		news      bool
	}{
		{name: "half of 42 ms", read: 42 * ms, calm: time.Second, waited: 21 * ms, squeezed: true, degree: 0.5, news: true},
		{name: "half of 38 ms", read: 38 * ms, calm: time.Second, waited: 19 * ms},
		{name: "all of 19 ms", read: 19 * ms, calm: time.Second, waited: 19 * ms},
		{name: "a quarter of 90 ms", read: 90 * ms, calm: time.Second, waited: 22500 * time.Microsecond, squeezed: true, degree: 0.25, news: true},
		{name: "read long ago, calm until 50 ms ago", read: 450 * ms, calm: 50 * ms, waited: 25 * ms, squeezed: true, degree: 0.5, news: true},
		{name: "read long ago, not calm since", read: 450 * ms, calm: time.Second, waited: 25 * ms},
		{name: "said before", worse: true, read: 60 * ms, calm: time.Second, waited: 30 * ms, squeezed: true, degree: 0.5},
		{name: "as usual", usual: 0.5, read: 60 * ms, calm: time.Second, waited: 30 * ms, squeezed: true, degree: 0.5},
		{name: "more than usual", usual: 0.3, read: 80 * ms, calm: time.Second, waited: 60 * ms, squeezed: true, degree: 0.75, news: true},
		{name: "of its own quota's making", throttled: 0.3, read: 80 * ms, calm: time.Second, waited: 40 * ms},
		{name: "more than its quota's making", throttled: 0.3, read: 80 * ms, calm: time.Second, waited: 60 * ms, squeezed: true, degree: 0.45, news: true},
		{name: "more than all of the time", read: 50 * ms, calm: time.Second, waited: time.Second, squeezed: true, degree: 1, news: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := time.Hour
			p := pace{n: 1000, at: at - tc.read, sampled: true, known: true, usual: tc.usual, worse: tc.worse}
			before := p
			news, _ := p.foresee(1000+uint64(tc.waited.Microseconds()), at, at-tc.calm, tc.throttled)
			if news != tc.news || p.squeezed != tc.squeezed || p.degree-tc.degree > 1e-9 || tc.degree-p.degree > 1e-9 {
				t.Errorf("news %v, squeezed %v by %v", news, p.squeezed, p.degree)
			}
			p.squeezed, p.degree, p.worse = before.squeezed, before.degree, before.worse
			if p != before {
				t.Errorf("what polls go by was changed: %+v, was %+v", p, before)
			}
		})
	}
	for name, p := range map[string]pace{
		"nothing is known yet": {n: 1000, at: time.Hour - 50*ms, sampled: true},
		"backwards":            {n: 1e9, at: time.Hour - 50*ms, sampled: true, known: true},
		"forgotten":            {},
	} {
		if news, soon := p.foresee(50e3, time.Hour, 0, 0); news || soon || p.squeezed {
			t.Errorf("%s: squeezed", name)
		}
	}
}

// What is foreseen is what the next poll says, whatever happens until then.
func TestForeseenIsWhatThePollSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := func(name string) float64 { return rapid.Float64Range(0, 1).Draw(t, name) }
		last := time.Hour
		throttled := share("throttled") * 0.3
		p := pace{n: 1 << 40, at: last, sampled: true, known: true, usual: share("usual"), worse: rapid.Bool().Draw(t, "worse")}
		p.squeezed = p.worse
		polled := p
		calm := last - time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "calm"))
		// Waiting until the glance, and from then to the poll.
		early := time.Duration(rapid.Int64Range(int64(minPoll), int64(FastEvery)).Draw(t, "glance"))
		n := p.n + uint64(share("before")*float64(early.Microseconds()))
		p.squeezed = false
		news, _ := p.foresee(n, last+early, calm, throttled)
		n += uint64(share("after") * float64((FastEvery - early).Microseconds()))
		_, pollNews := polled.stalled(snapshot.CountOf(n), last+FastEvery, calm, throttled)
		if p.squeezed && !polled.squeezed || news && !pollNews {
			t.Fatalf("foreseen %+v (news %v), polled %+v (news %v)", p, news, polled, pollNews)
		}
	})
}
