package monitor

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// FastEvery is how far apart Wait keeps two polls.
const FastEvery = snapshot.PollEvery

// DefaultMaxWakes is how many early ticks the fast sampler may ask for in a
// second: they cost as much as any.
const DefaultMaxWakes = 2

const (
	// fastPerPoll is how many containers are read at each poll, which costs 0.3 %
	// of a core. More take turns.
	fastPerPoll = 50
	// fastFiles bounds the descriptors of the fast sampler, with 5.3 KiB of kernel
	// memory each, and the turns to ten: with more, the tick is no slower.
	fastFiles = 10 * fastPerPoll
	// fastFresh is how old an answer may be that a tick passes on: that of a
	// sampler that stands still says nothing of now.
	fastFresh = time.Second
)

// FastSampler asks between two ticks one thing only: does other work take the
// CPU from regular containers right now? The only use of its answer is an early
// tick, which reads everything and decides; one that is wrong costs that tick.
//
// Contract: after each tick, Follow tells it which containers are regular. One
// goroutine calls Wait and Poll in turns, and has the loop tick at once when
// Wake is set in the answer. Follow may be called at the same time; Close ends
// it once nothing is.
//
// On cgroup v2 it reads cpu.pressure of each regular container. On v1 it reads
// cpuacct.usage, which tells only against what it was before and on a host whose
// tasks wait (/proc/pressure/cpu); a container that is contended since before it
// was watched is not noticed there.
type FastSampler struct {
	mono  func() time.Duration
	v2    bool
	root  string        // where containers are; "" when that does not tell of CPU
	proc  string        // where procfs is mounted
	limit int           // descriptors
	gap   time.Duration // between two wakes
	due   time.Duration // when the next poll is

	mu      sync.Mutex
	watched []*watched // sorted by key
	regular int
	follows uint64
	polls   int
	open    int
	hostFD  int // -1: not open
	host    counter
	cpus    float64 // online; 0: not known
	// calm: nobody on the host waits for a CPU; calmAt is when that was so last.
	calm   bool
	calmAt time.Duration
	// owed is news that was not told yet; told is when something was.
	owed bool
	told time.Time
	buf  *kernel.Buffer

	// last is the newest answer. It has a lock of its own, so that a tick that
	// takes it never waits for a poll that is reading.
	lastMu sync.Mutex
	last   snapshot.Contention
}

// watched is one regular container.
type watched struct {
	key     snapshot.Key
	fd      int // -1: not open
	counter counter
	why     snapshot.Absence // of the last reading
	since   time.Time        // the poll that found it contended first; zero when it is not
	follows uint64           // the last Follow that knew it
	// throttled is the share of the last tick in which its own quota stopped it.
	throttled      float64
	throttledNanos snapshot.Count
	throttledAt    time.Time
}

// NewFastSampler makes the fast sampler of m, which watches nothing before
// Follow. Each Sample from then on passes on what the last Poll saw. maxWakes is
// how often in a second an answer may say Wake, 0 for the default. It is to be
// called before the first Sample, and once.
func (m *Monitor) NewFastSampler(maxWakes int) *FastSampler {
	setDefault(&maxWakes, DefaultMaxWakes)
	f := &FastSampler{
		mono:   m.cfg.Monotonic,
		v2:     m.layout.Mode == cgroup.V2,
		limit:  fastShare(m.files),
		gap:    time.Second / time.Duration(max(1, maxWakes)),
		hostFD: -1,
		proc:   m.cfg.ProcRoot,
		buf:    kernel.NewBuffer(4<<10, 64<<10),
	}
	if at := m.layout.Mount("cpuacct"); at != "" {
		f.root = filepath.Join(at, m.cfg.MesosRoot)
	}
	// The host's pressure says whether there is any, and on v1 whether the host is
	// busy.
	path := kernel.NewPath(filepath.Join(m.cfg.ProcRoot, "pressure", "cpu"))
	if fd, errno := kernel.Open(unix.AT_FDCWD, path, unix.O_RDONLY); errno == 0 {
		f.hostFD = fd
	}
	m.fast = f
	return f
}

// fastShare is how many of the descriptors that may be kept are for the fast
// sampler.
func fastShare(files int) int { return min(fastFiles, files/8) }

// Close closes every descriptor.
func (f *FastSampler) Close() {
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
}

// Wait sleeps until the next poll is due, FastEvery after the one before. Polls
// that were missed are not made up for.
//
// It sleeps in the kernel, on the thread that calls it. A timer of the runtime
// would wake one thread that looks for timers, another one that looks for work,
// and the runtime's monitor: that often it is more than all the reading.
func (f *FastSampler) Wait() {
	now := monotonic()
	if f.due = max(f.due, now-FastEvery) + FastEvery; f.due <= now {
		return // the kernel would take it for a very short sleep
	}
	ts := unix.NsecToTimespec(f.due.Nanoseconds())
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil), unix.EINTR) {
	}
}

// Poll answers at time now. It allocates nothing.
func (f *FastSampler) Poll(now time.Time) snapshot.Contention {
	f.mu.Lock()
	q := f.poll(now)
	f.mu.Unlock()
	f.lastMu.Lock()
	f.last = q
	f.lastMu.Unlock()
	return q
}

// lastAt is the newest answer as of a tick at time now.
func (f *FastSampler) lastAt(now time.Time) snapshot.Contention {
	f.lastMu.Lock()
	q := f.last
	f.lastMu.Unlock()
	// A poll may be made while the tick is, so that it is a little newer.
	if age := now.Sub(q.At); !q.At.IsZero() && (age > fastFresh || age < -fastFresh) {
		return snapshot.Contention{At: q.At, Why: snapshot.ContentionStale}
	}
	return q
}

func (f *FastSampler) poll(now time.Time) snapshot.Contention {
	every := turns(len(f.watched))
	q := snapshot.Contention{At: now, Why: snapshot.ContentionTooSoon, Regular: f.regular, Every: every}
	busy, ok := f.hostBusy()
	if !ok {
		q.Why = snapshot.ContentionNoPressure
		return q
	}
	f.polls++
	impossible := 0
	for i, w := range f.watched {
		if w.fd >= 0 && i%every == f.polls%every && !f.canRest(w, i/every, f.polls/every) {
			f.read(w, now, busy)
		}
		f.add(&q, w)
		if w.why == snapshot.Impossible {
			impossible++
		}
	}
	switch {
	case q.State == snapshot.ContentionContended:
	case q.Regular == 0:
		q.State, q.Why = snapshot.ContentionCalm, snapshot.ContentionNothingRegular
	case q.Judged > 0:
		q.State, q.Why = snapshot.ContentionCalm, snapshot.ContentionNone
	case q.Watched == 0:
		q.Why = snapshot.ContentionUnreadable
	case impossible > 0:
		q.Why = snapshot.ContentionImpossible
	}
	if q.State != snapshot.ContentionContended {
		f.owed = false
	} else if f.owed && (f.told.IsZero() || now.Sub(f.told) >= f.gap || now.Before(f.told)) {
		q.Wake, f.owed, f.told = true, false, now
	}
	return q
}

// turns is how many polls it takes to read n containers once.
func turns(n int) int { return max(1, (n+fastPerPoll-1)/fastPerPoll) }

// canRest reports whether w, the i-th of those whose turn it is, need not be read
// in the n-th round.
func (f *FastSampler) canRest(w *watched, i, n int) bool {
	return f.calm && w.why == snapshot.Present && w.counter.judged && !w.counter.contended && i%calmEvery != n%calmEvery
}

// read reads and judges one container.
func (f *FastSampler) read(w *watched, now time.Time, busy bool) {
	began := f.mono()
	text, why := f.buf.Read(w.fd)
	at := kernel.Span{Began: began, Ended: f.mono()}
	if why == snapshot.Vanished {
		f.close(w)
		return
	}
	c := snapshot.Count{Why: why}
	var news bool
	if f.v2 {
		if why == snapshot.Present {
			c = kernel.ParsePSI(text).SomeMicros
		}
		news, w.why = w.counter.stalled(c, at, f.calmAt, w.throttled)
	} else {
		if why == snapshot.Present {
			c = kernel.ParseNumber(text)
		}
		news, w.why = w.counter.slowed(c, at, f.calmAt, busy, kernel.CPULimit(f.cpus), func() bool { return f.asleep(w.key.ID) })
	}
	f.owed = f.owed || news
	switch {
	case !w.counter.contended:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	}
}

// add adds w to the answer, which names the most contended one.
func (f *FastSampler) add(q *snapshot.Contention, w *watched) {
	if w.fd < 0 {
		return
	}
	q.Watched++
	if !w.counter.judged {
		return
	}
	q.Judged++
	if !w.counter.contended || q.State == snapshot.ContentionContended && w.counter.degree <= q.Degree {
		return
	}
	q.State, q.Container, q.Why = snapshot.ContentionContended, w.key.ID, snapshot.ContentionSlowed
	q.Degree, q.Since = w.counter.degree, w.since
	if f.v2 {
		q.Why = snapshot.ContentionStalled
	}
}

// Follow watches the regular containers of s from now on.
func (f *FastSampler) Follow(s *snapshot.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows++
	f.regular = 0
	f.cpus = float64(s.Host.CPUs.N) // 0 when absent
	changed := false
	i := 0 // both lists are sorted by key
	known := len(f.watched)
	for k := range s.Containers {
		c := &s.Containers[k]
		if c.Parent != "" || !c.OnDisk || c.Class() != snapshot.ClassRegular || f.root == "" {
			continue
		}
		f.regular++
		for i < known && f.watched[i].key.Compare(c.Key) < 0 {
			i++
		}
		var w *watched
		if i < known && f.watched[i].key == c.Key {
			w = f.watched[i]
		} else if w = f.watch(c.Key); w != nil {
			f.watched = append(f.watched, w)
			changed = true
		}
		if w != nil {
			w.follows = f.follows
			w.throttle(c)
		}
	}
	for _, w := range f.watched {
		if w.follows != f.follows {
			f.close(w)
			changed = true
		}
	}
	if changed {
		f.watched = slices.DeleteFunc(f.watched, func(w *watched) bool { return w.follows != f.follows })
		slices.SortFunc(f.watched, func(a, b *watched) int { return a.key.Compare(b.key) })
	}
}

// throttle takes over for how much of the last tick the container's own quota
// stopped it, which is pressure too, but not of others' making.
func (w *watched) throttle(c *snapshot.Container) {
	nanos, before := c.CPU.ThrottledNanos, w.throttledNanos
	dt := c.At.Sub(w.throttledAt)
	w.throttledNanos, w.throttledAt, w.throttled = nanos, c.At, 0
	if nanos.OK() && before.OK() && nanos.N >= before.N && dt > 0 {
		// The kernel adds up over all CPUs, so that it can be more than all of the
		// time.
		w.throttled = min(1, float64(nanos.N-before.N)/float64(dt))
	}
}

// watch opens the file of a container, nil when there is no descriptor left or
// it is gone already.
func (f *FastSampler) watch(key snapshot.Key) *watched {
	if f.open >= f.limit || f.hostFD < 0 {
		return nil
	}
	path := kernel.NewPath(filepath.Join(f.root, key.ID))
	dir, errno := kernel.Open(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errno != 0 {
		return nil
	}
	defer unix.Close(dir)
	var buf unix.Stat_t
	if state, errno := kernel.StatDir(dir, emptyPath, &buf); errno != 0 || state.Inode != key.Inode {
		return nil
	}
	name := fileUsage
	if f.v2 {
		name = filePressure
	}
	fd, errno := kernel.Open(dir, name, unix.O_RDONLY)
	if errno != 0 {
		return nil
	}
	f.open++
	return &watched{key: key, fd: fd}
}

var (
	emptyPath    = kernel.NewPath("")
	fileUsage    = kernel.NewPath("cpuacct.usage")
	filePressure = kernel.NewPath("cpu.pressure")
)

func (f *FastSampler) close(w *watched) {
	if w.fd >= 0 {
		unix.Close(w.fd)
		f.open--
	}
	w.fd, w.why, w.since, w.counter = -1, snapshot.NotRead, time.Time{}, counter{}
}
