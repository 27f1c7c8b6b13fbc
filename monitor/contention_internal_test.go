package monitor

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// poll is one reading, 100 ms after the one before unless it says otherwise.
type poll struct {
	// part is of the time since the poll before: the share of it in which a
	// task waited, or the cores used.
	part float64
	want string // "": no answer; "calm", "contended", "news"
}

func repeat(n int, p poll) []poll {
	list := make([]poll, n)
	for i := range list {
		list[i] = p
	}
	return list
}

func story(parts ...[]poll) (all []poll) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func said(judged, contended, news bool) string {
	switch {
	case news && contended && judged:
		return "news"
	case news:
		return "news about nothing"
	case !judged:
		return ""
	case contended:
		return "contended"
	}
	return "calm"
}

func TestStalled(t *testing.T) {
	first := []poll{{0, ""}}
	for _, tc := range []struct {
		name      string
		throttled float64
		polls     []poll
	}{
		{"never waits", 0, story(first, repeat(20, poll{0, "calm"}))},
		{"waits a little", 0, story(first, repeat(20, poll{0.15, "calm"}))},
		{"a neighbor comes, stays and goes", 0, story(
			first, repeat(10, poll{0.01, "calm"}), []poll{{0.5, "news"}}, repeat(30, poll{0.5, "contended"}), repeat(10, poll{0.01, "calm"}),
			[]poll{{0.5, "news"}}, repeat(5, poll{0.5, "contended"}),
		)},
		{"contended since before it was watched", 0, story(first, []poll{{0.6, "news"}}, repeat(50, poll{0.6, "contended"}))},
		{"always waits for itself, then for others too", 0, story(
			first, []poll{{0.4, "news"}}, repeat(100, poll{0.4, "contended"}), []poll{{0.9, "news"}}, repeat(5, poll{0.9, "contended"}),
		)},
		{"held back by its own quota", 0.6, story(first, repeat(20, poll{0.7, "calm"}))},
		{"by its own quota and by others", 0.3, story(first, repeat(10, poll{0.35, "calm"}), []poll{{0.9, "news"}}, repeat(5, poll{0.9, "contended"}))},
		{"all the time, by the kernel's clock a little more", 0, story(first, repeat(5, poll{0.1, "calm"}), []poll{{1.02, "news"}})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p counter
			var at time.Duration
			total := 1e6
			for i, poll := range tc.polls {
				at += 100 * time.Millisecond
				total += poll.part * 100_000
				news, _ := p.stalled(snapshot.CountOf(uint64(total)), kernel.At(at), 0, tc.throttled)
				if got := said(p.judged, p.contended, news); got != poll.want {
					t.Fatalf("poll %d: %q, want %q (%+v)", i, got, poll.want, p)
				}
			}
		})
	}
}

func awake() bool { return false }

// One that pauses on a busy host has less to do; it is not contended, and is not
// asked again while it is.
func TestSlowedWhileAsleep(t *testing.T) {
	var k counter
	var at time.Duration
	total, asked, asleep := 1e9, 0, false
	poll := func(cores float64) bool {
		at += FastEvery
		total += cores * float64(FastEvery)
		k.slowed(snapshot.CountOf(uint64(total)), kernel.At(at), 0, true, kernel.CPULimit(4), func() bool { asked++; return asleep })
		return k.contended
	}
	for range 40 {
		poll(1)
	}
	asleep = true
	for range 3 {
		if poll(0.2) {
			t.Fatal("contended while it is asleep")
		}
	}
	for range 40 {
		poll(1)
	}
	asked, asleep = 0, false
	for i := range 3 {
		if !poll(0.2) {
			t.Errorf("poll %d: not contended", i)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestSlowed(t *testing.T) {
	first := []poll{{1, ""}, {1, ""}}
	for _, tc := range []struct {
		name  string
		idle  bool // the host
		polls []poll
	}{
		{"a neighbor takes half", false, story(first, repeat(20, poll{1, "calm"}), []poll{{0.5, "news"}}, repeat(10, poll{0.5, "contended"}))},
		{"and gives it back", false, story(first, repeat(20, poll{1, "calm"}), []poll{{0.5, "news"}}, repeat(10, poll{0.5, "contended"}), repeat(20, poll{1, "calm"}))},
		{"on an idle host it has less to do", true, story(first, repeat(20, poll{1, "calm"}), repeat(10, poll{0.5, "calm"}))},
		{"a tenth less is not certain", false, story(first, repeat(20, poll{1, "calm"}), repeat(5, poll{0.9, "calm"}))},
		{"next to nothing", false, story(repeat(2, poll{0.05, ""}), repeat(20, poll{0.05, "calm"}), repeat(10, poll{0, "calm"}))},
		{"more than before", false, story(first, repeat(20, poll{1, "calm"}), repeat(5, poll{2, "calm"}))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p counter
			var at time.Duration
			total := 1e9
			for i, poll := range tc.polls {
				at += 100 * time.Millisecond
				total += poll.part * 1e8
				news, _ := p.slowed(snapshot.CountOf(uint64(total)), kernel.At(at), 0, !tc.idle, kernel.CPULimit(4), awake)
				if got := said(p.judged, p.contended, news); got != poll.want {
					t.Fatalf("poll %d: %q, want %q (%+v)", i, got, poll.want, p)
				}
			}
		})
	}
}

// One that has less to do from now on is calm again after some seconds, though
// the host stays busy; and one that goes up and down is not news at each turn.
func TestSlowedLearns(t *testing.T) {
	run := func(p *counter, at *time.Duration, total *float64, cores float64) (contended, news bool) {
		*at += 100 * time.Millisecond
		*total += cores * 1e8
		news, _ = p.slowed(snapshot.CountOf(uint64(*total)), kernel.At(*at), 0, true, kernel.CPULimit(4), awake)
		return p.contended, news
	}
	var p counter
	var at time.Duration
	var total float64
	for range 50 {
		run(&p, &at, &total, 2)
	}
	polls := 0
	for contended := true; contended; polls++ {
		contended, _ = run(&p, &at, &total, 1)
	}
	if polls < 10 || polls > 200 {
		t.Errorf("calm again after %d polls", polls)
	}
	p, total = counter{}, 0
	news := 0
	for i := range 600 {
		cores := 1.3
		if i%2 == 0 {
			cores = 0.7
		}
		if _, n := run(&p, &at, &total, cores); n && i > 300 {
			news++
		}
	}
	if news > 0 {
		t.Errorf("news %d times in half a minute, though that is usual by then", news)
	}
}

// Counters and clocks that make no sense start over, and say nothing.
func TestCounterStartsOver(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	var p counter
	for _, step := range []struct {
		what string
		c    snapshot.Count
		at   time.Duration
		want string
	}{
		{"first", snapshot.CountOf(1000), ms(100), ""},
		{"second", snapshot.CountOf(1000), ms(200), "calm"},
		{"too soon, all of it waiting", snapshot.CountOf(11_000), ms(210), "calm"},
		{"and then a tenth", snapshot.CountOf(11_000), ms(300), "calm"},
		{"backwards", snapshot.CountOf(5), ms(400), "calm"},
		{"from there", snapshot.CountOf(5), ms(500), "calm"},
		{"more than all of the time", snapshot.CountOf(4_294_972), ms(600), ""},
		{"and on from there", snapshot.CountOf(4_294_972), ms(700), "calm"},
		{"a clock set back", snapshot.CountOf(4_384_972), ms(650), "calm"},
		{"after an hour asleep", snapshot.CountOf(4_474_972), ms(3_600_000), "calm"},
		{"unreadable", snapshot.Count{Why: snapshot.Malformed}, ms(3_600_100), ""},
		{"again", snapshot.CountOf(900_000), ms(3_600_200), ""},
		{"and a wait", snapshot.CountOf(950_000), ms(3_600_300), "news"},
	} {
		news, _ := p.stalled(step.c, kernel.At(step.at), 0, 0)
		if got := said(p.judged, p.contended, news); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}
