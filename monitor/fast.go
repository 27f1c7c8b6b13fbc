package monitor

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// FastEvery is how far apart Wait keeps two calls of Poll.
const FastEvery = 100 * time.Millisecond

// DefaultMaxWakes is how many early ticks the fast lane may ask for in a
// second: they cost as much as any.
const DefaultMaxWakes = 2

const (
	// fastAtOnce is how many containers are read at each poll, which costs 0.3 %
	// of a core. More take turns, fastPerTurn at a poll: their files have left
	// the processor's caches by then, and reading costs twice as much.
	fastAtOnce  = 100
	fastPerTurn = 50
	// fastFiles bounds the descriptors of the fast lane, with 5.3 KiB of kernel
	// memory each, and the turns to ten: with more, the tick is no slower.
	fastFiles = 10 * fastPerTurn
	// busyAbove is a share of time in which some task on the host waited for
	// a CPU. On an idle one it is well below a hundredth.
	busyAbove = 0.1
)

// FastConfig is what a Fast is made of; its zero value is the defaults.
type FastConfig struct {
	// MaxWakes is how often in a second a Contention may say Wake.
	MaxWakes int
	// PollOnly: do without kernel triggers where there could be some.
	PollOnly bool
}

// Fast asks ten times a second one thing only: are regular tasks being squeezed
// right now? The only use of its answer is an early tick, which looks at
// everything and decides; one that is wrong costs that tick.
//
// Contract: after each tick, Follow tells it which containers are regular. A
// goroutine of the caller's calls Wait, then Glance if that says so and Poll if
// not, and has the loop tick at once when Wake is set in the answer. Follow may be
// called at the same time; Close ends it once nothing is.
//
// On cgroup v2 it reads cpu.pressure of each regular container, on v1
// cpuacct.usage, which tells only against what it was before and on a host
// whose tasks wait (/proc/pressure/cpu). It is blind on v1 to a container that
// is squeezed since before it was watched.
type Fast struct {
	mono  func() time.Duration
	v2    bool
	root  string // where containers are; "" when that does not tell of CPU
	limit int    // descriptors
	gap   time.Duration

	mu      sync.Mutex
	watched []*watched // sorted by key
	regular int
	follows uint64
	polls   int
	open    int
	hostFD  int
	host    pace
	cpus    uint64 // online; 0: not known
	// calm: the host is; calmAt is when it was so last.
	calm   bool
	calmAt time.Duration
	// owed is news that was not told yet; told is when something was.
	owed bool
	told time.Time
	buf  []byte

	// noTriggers is why there are none (trigger.go), triggers how many there are,
	// and epoll what they fire on; -1: there are none.
	noTriggers string
	triggers   atomic.Int32
	epoll      int
	asked      unix.EpollEvent
	// What belongs to the goroutine that looks: when the next Poll is due, whether a
	// Glance came before it, and whether another one may say more.
	due            time.Duration
	glanced, again bool
	events         [maxTriggers]unix.EpollEvent

	// last is the newest answer. It has a lock of its own, so that a tick that
	// takes it never waits for a poll that is reading.
	lastMu sync.Mutex
	last   snapshot.Contention
}

// watched is one regular container.
type watched struct {
	key snapshot.Key
	fd  int // -1: not open
	// triggered: the kernel tells when it waits; spent: it did, and will not again
	// unless asked. fired is for how many polls from then on there may be glances.
	triggered, spent bool
	fired            int
	pace             pace
	judged           bool
	since            time.Time // of the poll that found it squeezed first; zero when it is not
	follows          uint64    // the last Follow that knew it
	// What its own quota held back, as of the tick.
	throttledNanos snapshot.Count
	throttledAt    time.Time
	throttled      float64 // share of time
}

// NewFast makes the fast lane of m, which watches nothing before Follow. Each
// Sample from then on tells what the last Poll saw. It is to be called before
// the first Sample, and once.
func (m *Monitor) NewFast(cfg FastConfig) *Fast {
	setDefault(&cfg.MaxWakes, DefaultMaxWakes)
	f := &Fast{
		mono:   m.cfg.Monotonic,
		v2:     m.layout.Mode == cgroup.V2,
		limit:  fastShare(m.files),
		gap:    time.Second / time.Duration(max(1, cfg.MaxWakes)),
		hostFD: -1,
		epoll:  -1,
		buf:    make([]byte, 4<<10),
	}
	if at := m.layout.Mount("cpuacct"); at != "" {
		f.root = filepath.Join(at, m.cfg.MesosRoot)
	}
	// The host's pressure says whether there is any, and on v1 whether it is
	// busy.
	if fd, errno := kernel.Open(unix.AT_FDCWD, kernel.NewPath(filepath.Join(m.cfg.ProcRoot, "pressure", "cpu")), unix.O_RDONLY); errno == 0 {
		f.hostFD = fd
	}
	if cfg.PollOnly {
		f.noTriggers = "it is to do without kernel triggers"
	} else {
		f.openTriggers(m)
	}
	m.fast = f
	return f
}

// fastShare is how many of the descriptors that may be kept are for the fast
// lane.
func fastShare(files int) int { return min(fastFiles, files/8) }

// Close closes every descriptor.
func (f *Fast) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.watched {
		f.close(w)
	}
	f.watched = nil
	if f.hostFD >= 0 {
		unix.Close(f.hostFD)
		f.hostFD = -1
	}
	if f.epoll >= 0 {
		unix.Close(f.epoll)
		f.epoll = -1
	}
}

// Poll answers at time now. It allocates nothing.
func (f *Fast) Poll(now time.Time) snapshot.Contention { return f.keep(f.poll(now)) }

// Glance answers between two polls, from what the last one saw and the containers
// whose triggers fired since. It allocates nothing.
func (f *Fast) Glance(now time.Time) snapshot.Contention { return f.keep(f.glance(now)) }

func (f *Fast) keep(q snapshot.Contention) snapshot.Contention {
	f.lastMu.Lock()
	f.last = q
	f.lastMu.Unlock()
	return q
}

// squeezeFresh is how old an answer may be that a tick passes on: that of a lane
// that stands still says nothing of now.
const squeezeFresh = time.Second

// lastAt is the newest answer as of a tick at time now.
func (f *Fast) lastAt(now time.Time) snapshot.Contention {
	f.lastMu.Lock()
	q := f.last
	f.lastMu.Unlock()
	// A poll may be made while the tick is, so that it is a little newer.
	if age := now.Sub(q.At); !q.At.IsZero() && (age > squeezeFresh || age < -squeezeFresh) {
		return snapshot.Contention{At: q.At, Why: snapshot.ContentionStale}
	}
	return q
}

func (f *Fast) poll(now time.Time) snapshot.Contention {
	f.mu.Lock()
	defer f.mu.Unlock()
	every := turns(len(f.watched))
	busy, ok := f.hostBusy()
	if !ok {
		return snapshot.Contention{At: now, Why: snapshot.ContentionNoPressure, Regular: f.regular, Every: every}
	}
	f.polls++
	f.again = false
	for i, w := range f.watched {
		if w.fd >= 0 && (w.fired > 0 || i%every == f.polls%every && !f.restful(w, i/every, f.polls/every)) {
			f.judge(w, now, busy)
			f.rearm(w)
		}
	}
	return f.answer(now)
}

func (f *Fast) glance(now time.Time) snapshot.Contention {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.again = false
	for _, w := range f.watched {
		if w.fired > 0 && w.fd >= 0 {
			f.foresee(w, now)
		}
	}
	return f.answer(now)
}

// answer is about all that are watched.
func (f *Fast) answer(now time.Time) snapshot.Contention {
	q := snapshot.Contention{At: now, Why: snapshot.ContentionTooSoon, Regular: f.regular, Every: turns(len(f.watched))}
	for _, w := range f.watched {
		f.add(&q, w)
	}
	switch {
	case q.State == snapshot.ContentionContended:
	case q.Regular == 0:
		q.State, q.Why = snapshot.ContentionCalm, snapshot.ContentionNothingRegular
	case q.Judged > 0:
		q.State, q.Why = snapshot.ContentionCalm, snapshot.ContentionNone
	case q.Watched == 0:
		q.Why = snapshot.ContentionUnreadable
	}
	if q.State != snapshot.ContentionContended {
		f.owed = false
	} else if f.owed && (f.told.IsZero() || now.Sub(f.told) >= f.gap || now.Before(f.told)) {
		q.Wake, f.owed, f.told = true, false, now
	}
	return q
}

// turns is how many polls it takes to read n containers once.
func turns(n int) int {
	if n <= fastAtOnce {
		return 1
	}
	return (n + fastPerTurn - 1) / fastPerTurn
}

// judge reads one container.
func (f *Fast) judge(w *watched, now time.Time, busy bool) {
	text, why := kernel.Read(w.fd, f.buf)
	at := f.mono()
	if why == snapshot.Vanished {
		f.close(w)
		return
	}
	c := snapshot.Count{Why: why}
	var news bool
	switch {
	case f.v2:
		if why == snapshot.Present {
			c = kernel.ParsePSI(text).SomeMicros
		}
		w.judged, news = w.pace.stalled(c, at, f.calmAt, w.throttled)
	default:
		if why == snapshot.Present {
			c = kernel.ParseNumber(text)
		}
		w.judged, news = w.pace.slowed(c, at, f.calmAt, busy)
	}
	f.squeezes(w, now, news)
}

// squeezes takes over what was just said of w.
func (f *Fast) squeezes(w *watched, now time.Time, news bool) {
	f.owed = f.owed || news
	switch {
	case !w.judged || !w.pace.squeezed:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	}
}

// add adds w to the answer, which names the worst.
func (f *Fast) add(q *snapshot.Contention, w *watched) {
	if w.fd < 0 {
		return
	}
	q.Watched++
	if !w.judged {
		return
	}
	q.Judged++
	if !w.pace.squeezed {
		return
	}
	if q.State == snapshot.ContentionContended && w.pace.degree <= q.Degree {
		return
	}
	q.State, q.Container, q.Why = snapshot.ContentionContended, w.key.ID, snapshot.ContentionSlowed
	q.Degree, q.Since = w.pace.degree, w.since
	if f.v2 {
		q.Why = snapshot.ContentionStalled
	}
}
