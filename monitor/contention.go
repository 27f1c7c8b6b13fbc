package monitor

import (
	"math"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// How the fast sampler judges one container, from one counter that is read at
// each poll.

const (
	// minPoll: over less, the kernel's timer tick (4 to 10 ms) is most of what
	// is measured.
	minPoll = 20 * time.Millisecond
	// stalledAbove is a share of time in which some task of the container
	// waited. A threshold of a fifth notices a neighbor that takes half of a CPU
	// at the first whole poll after it began.
	stalledAbove = 0.2
	// slowedBelow is a part of the CPU that the container had just before. What
	// the timer tick (mostly 4 ms) leaves uncertain of 50 ms is below that.
	slowedBelow = 0.85
	// slowedFloor is what it must have had, in cores: less says nothing.
	slowedFloor = 0.1
	// slowedDeviations is how many mean deviations below what it had a
	// container has to be, so that one whose use goes up and down by itself is
	// not news at each turn (2.5 of them are 2 σ of a normal distribution).
	slowedDeviations = 2.5
	// calmMemory and contendedMemory are the time constants of what is usual.
	// While it is contended, that is forgotten slowly: a container that simply
	// has less to do is calm again after some seconds.
	calmMemory      = time.Second
	contendedMemory = 5 * time.Second
	// busyAbove is a share of time in which some task on the host waited for
	// a CPU. On an idle one it is well below a hundredth.
	busyAbove = 0.1
	// calmBelow is a share of time in which some task on the host waited, below
	// which no container can be contended, so that each is read only in one of
	// calmEvery polls, to know what is usual. On v1 that is so by definition
	// (busyAbove). On v2 the host's share is the mean of those of its n CPUs, by
	// how long each was not idle (kernel/sched/psi.c, collect_percpu_times): where
	// a task of a container waits on one CPU for a share s of the time, that CPU
	// is not idle for at least as long, and the host's share is at least s²/n.
	// With calmBelow/n as the limit s is at most 0.14, less than stalledAbove.
	calmBelow = 0.02
	calmEvery = 5
)

// counter is what is known of one counter.
type counter struct {
	rate kernel.Rate
	// usual and deviation are running means of the rate, and of how far it is
	// from that; known: there is one.
	usual, deviation float64
	known            bool
	// judged: the last reading gave an answer. contended is that answer, degree by
	// how much, 0 to 1; worse: it waits for more than is usual.
	judged    bool
	contended bool
	worse     bool
	degree    float64
}

// next is the rate since the reading before, in units of the counter per ns. It
// is absent with NoTime where the answer of the reading before still stands.
func (k *counter) next(c snapshot.Count, at kernel.Span, limit kernel.Limit) (snapshot.Value, time.Duration) {
	v, dt := k.rate.Over(c, at, limit, minPoll)
	switch v.Why {
	case snapshot.Present, snapshot.NoTime:
	case snapshot.FirstSample, snapshot.Backwards:
		k.judged = k.known
	case snapshot.Impossible:
		k.judged, k.contended, k.worse, k.degree = false, false, false, 0
	default:
		*k = counter{} // it could not be read
	}
	return v, dt
}

// recent is the part of the interval of dt up to at in which the host was not
// calm, which ended at calm; all of it when that is too short to judge. A
// container is read less often while the host is calm, and what came after that
// is not to be lost in what was before.
func recent(at, dt, calm time.Duration) time.Duration {
	if d := at - calm; d >= minPoll && d < dt {
		return d
	}
	return dt
}

// learn moves what is usual towards rate. The drop at which it begins to be
// contended is a deviation like any, so that drops that come again and again are
// usual; what follows it is not.
func (k *counter) learn(rate float64, dt time.Duration, was bool) {
	if !k.known {
		k.usual, k.deviation, k.known = rate, 0, true
		return
	}
	// What varies from poll to poll varies less over several of them.
	polls := math.Sqrt(max(1, float64(dt)/float64(FastEvery)))
	k.deviation += weight(dt, k.contended && was) * (math.Abs(rate-k.usual)*polls - k.deviation)
	k.usual += weight(dt, k.contended) * (rate - k.usual)
}

// weight is that of an interval of dt in a running mean.
func weight(dt time.Duration, contended bool) float64 {
	memory := calmMemory
	if contended {
		memory = contendedMemory
	}
	return float64(dt) / float64(dt+memory)
}

// stalled judges the share of time in which some task waited for a CPU, from a
// total in µs, without that in which its own quota stopped it. Waiting is news
// when it is more than usual: a container with more threads than CPUs always
// waits. calm is when the host was calm last: it waited since then.
func (k *counter) stalled(c snapshot.Count, at kernel.Span, calm time.Duration, throttled float64) (news bool, why snapshot.Absence) {
	v, dt := k.next(c, at, kernel.StallLimit)
	if !v.OK() {
		return false, v.Why
	}
	waited := v.V * float64(dt) * 1e3 // ns
	dt = recent(at.Ended, dt, calm)
	share := max(0, waited/float64(dt)-throttled)
	was := k.worse
	k.worse = share > stalledAbove && (!k.known || share > k.usual+stalledAbove)
	k.contended, k.degree, k.judged = share > stalledAbove, share, true
	k.learn(share, dt, true)
	return k.worse && !was, snapshot.Present
}

// slowed judges CPU use, from a counter in ns, on a host that is busy or not.
// calm is when the host was calm last: up to then it is taken to have had the
// usual. One that is asleep uses less because it has less to do: that is asked
// once, before it is called contended.
func (k *counter) slowed(c snapshot.Count, at kernel.Span, calm time.Duration, busy bool, limit kernel.Limit, asleep func() bool) (news bool, why snapshot.Absence) {
	v, dt := k.next(c, at, limit)
	if !v.OK() {
		return false, v.Why
	}
	cores := v.V
	if d := recent(at.Ended, dt, calm); d < dt && k.known {
		cores = max(0, (cores*float64(dt)-k.usual*float64(dt-d))/float64(d))
		dt = d
	}
	was := k.contended
	least := min(slowedBelow*k.usual, k.usual-slowedDeviations*k.deviation)
	k.contended = busy && k.known && k.usual >= slowedFloor && cores < least && (was || !asleep())
	k.degree = 0
	if k.contended {
		k.degree = 1 - cores/k.usual
	}
	k.judged = k.known
	k.learn(cores, dt, was)
	return k.contended && !was, snapshot.Present
}

// asleepThreads is how many threads are looked at to see that a container is
// asleep. One with more is taken to be awake.
const asleepThreads = 64

// asleep reports whether no thread of a container is running or waits for a CPU
// (cgroup v1). What cannot be told is awake.
func (f *FastSampler) asleep(id string) bool {
	dirs, err := filepath.Glob(filepath.Join(f.root, id, "mesos", "*"))
	if err != nil {
		return false
	}
	seen := 0
	for _, dir := range append(dirs, filepath.Join(f.root, id)) {
		text, why := f.buf.ReadOnce(unix.AT_FDCWD, kernel.NewPath(filepath.Join(dir, "tasks")))
		if why != snapshot.Present {
			if len(text) == 0 && why == snapshot.Truncated {
				continue // it names nobody
			}
			return false
		}
		tids, why := kernel.ParseTasks(text, nil)
		if seen += len(tids); why != snapshot.Present || seen > asleepThreads {
			return false
		}
		for _, tid := range tids {
			path := filepath.Join(f.proc, strconv.Itoa(int(tid)), "stat")
			text, why := f.buf.ReadOnce(unix.AT_FDCWD, kernel.NewPath(path))
			if why == snapshot.Present && kernel.ParseState(text) == 'R' {
				return false
			}
		}
	}
	return seen > 0
}

// hostBusy reports whether tasks of the host wait for a CPU; false if that
// cannot be told at all.
func (f *FastSampler) hostBusy() (busy, ok bool) {
	if f.hostFD < 0 {
		return false, false
	}
	began := f.mono()
	text, why := f.buf.Read(f.hostFD)
	at := kernel.Span{Began: began, Ended: f.mono()}
	some := snapshot.Count{Why: why}
	if why == snapshot.Present {
		some = kernel.ParsePSI(text).SomeMicros
	}
	v, _ := f.host.next(some, at, kernel.StallLimit)
	switch {
	case !some.OK():
		f.calm = false
		return f.v2, f.v2 // there a container's own file says it
	case v.OK():
		share := v.V * 1e3 // µs per ns
		f.host.contended = share > busyAbove
		f.calm = share < calmBelow
		if f.v2 {
			f.calm = share*f.cpus < calmBelow && f.cpus > 0
		}
	case v.Why != snapshot.NoTime:
		f.calm = false // that nobody waits is not known
	}
	if f.calm {
		f.calmAt = at.Ended
	}
	return f.host.contended || f.v2, true
}
