package monitor

import (
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// thread is one thread whose schedstat is kept open: a descriptor of one that
// ended says so (ESRCH), whoever has its id now.
type thread struct {
	tid   int32
	fd    int32
	delay uint64 // ns that it waited so far
	// grewAt is when that was seen to have changed last.
	grewAt time.Duration
	// delta is what was added since the sample before.
	delta uint64
	// compared: it was there in both samples.
	compared bool
}

// threads are those of one container that are followed, sorted by id.
type threads struct {
	list, before []thread
	at           time.Duration
	throttled    snapshot.Count
	sampled      bool
}

// threadReader reads threads. All that it keeps open is counted.
type threadReader struct {
	proc string
	mono func() time.Duration
	path kernel.Path
	buf  *kernel.Buffer
	open int
}

func newThreadReader(proc string, mono func() time.Duration) *threadReader {
	return &threadReader{proc: proc, mono: mono, buf: kernel.NewBuffer(256, 256)}
}

// hasSchedstat reports whether this kernel tells how long threads waited.
func (r *threadReader) hasSchedstat() bool {
	text, why := r.buf.ReadOnce(unix.AT_FDCWD, kernel.NewPath(filepath.Join(r.proc, "self", "schedstat")))
	return why == snapshot.Present && kernel.ParseRunDelay(text).OK()
}

// update reads the threads tids, which are sorted. What is of threads that have
// ended, or cannot be read, is forgotten; what is new counts from the next
// update on.
func (r *threadReader) update(s *threads, tids []int32) snapshot.Absence {
	s.list, s.before = s.before[:0], s.list
	old := s.before
	impossible := false
	for _, tid := range tids {
		for len(old) > 0 && old[0].tid < tid {
			r.close(&old[0])
			old = old[1:]
		}
		known := len(old) > 0 && old[0].tid == tid
		var t thread
		if known {
			t, old = old[0], old[1:]
			switch why := r.again(&t); why {
			case snapshot.Present, snapshot.Impossible:
				s.list = append(s.list, t)
				impossible = impossible || why == snapshot.Impossible
				continue
			}
			r.close(&t) // it ended, and another one has its id
		}
		t, why := r.first(tid)
		switch why {
		case snapshot.Present:
			s.list = append(s.list, t)
		case snapshot.NoFile, snapshot.Vanished: // it ended meanwhile
		default:
			for i := range old {
				r.close(&old[i])
			}
			return why
		}
	}
	for i := range old {
		r.close(&old[i])
	}
	if impossible {
		return snapshot.Impossible
	}
	return snapshot.Present
}

// first opens and reads a thread.
func (r *threadReader) first(tid int32) (thread, snapshot.Absence) {
	r.path = append(r.path[:0], r.proc...)
	r.path = append(r.path, '/')
	r.path = strconv.AppendInt(r.path, int64(tid), 10)
	r.path = append(r.path, "/schedstat\x00"...)
	fd, errno := kernel.Open(unix.AT_FDCWD, r.path, unix.O_RDONLY)
	if errno != 0 {
		return thread{}, kernel.WhyErrno(errno)
	}
	r.open++
	t := thread{tid: tid, fd: int32(fd)} //nolint:gosec // a descriptor
	if n, ok := r.read(&t); ok {
		t.delay, t.grewAt = n, r.mono()
		return t, snapshot.Present
	}
	r.close(&t)
	return thread{}, snapshot.Vanished
}

// again reads a thread that is open; Vanished when it has ended.
//
// The kernel adds a wait when it ends, so that more than the time since the
// sample before may be added; but no more than since it added something last.
func (r *threadReader) again(t *thread) snapshot.Absence {
	n, ok := r.read(t)
	if !ok || n < t.delay {
		return snapshot.Vanished
	}
	at, since := r.mono(), t.grewAt
	t.delta, t.compared = n-t.delay, true
	if n != t.delay {
		t.delay, t.grewAt = n, at
	}
	if !threadLimit.Allows(float64(t.delta), at-since) {
		t.delta = 0
		return snapshot.Impossible
	}
	return snapshot.Present
}

// threadLimit: a thread waits at most all of the time, and may have begun to just
// before it was first read.
var threadLimit = kernel.Limit{PerNano: 1, Late: time.Second}

func (r *threadReader) read(t *thread) (uint64, bool) {
	text, why := r.buf.Read(int(t.fd))
	if why != snapshot.Present {
		return 0, false
	}
	c := kernel.ParseRunDelay(text)
	return c.N, c.OK()
}

func (r *threadReader) close(t *thread) {
	unix.Close(int(t.fd))
	r.open--
}

func (r *threadReader) forget(s *threads) {
	for i := range s.list {
		r.close(&s.list[i])
	}
	*s = threads{list: s.list[:0], before: s.before[:0]}
}

// waited is what the threads that were there in both samples waited, per ns of
// dt, without what the quota throttled: throttled ns since the sample before.
//
// A thread that a quota throttles stays on its run queue and is charged for
// waiting, each of them for the whole time (measured on Linux 6.18: one spinner
// with a quota of 0.2 cores waits 0.8 of the time, two of them 1.8 together, and
// throttled_time is 0.8 both times). throttled is the sum over CPUs, a thread
// is on one, so that taking it off each of them leaves no more than what others
// made it wait.
func (s *threads) waited(dt time.Duration, throttled uint64) snapshot.Value {
	total, compared := uint64(0), 0
	for i := range s.list {
		t := &s.list[i]
		if !t.compared {
			continue
		}
		compared++
		// Of a wait that began before the interval, what falls into it.
		d := min(t.delta, uint64(dt)) //nolint:gosec // positive
		total += d - min(d, throttled)
	}
	if compared == 0 && len(s.list) > 0 {
		return snapshot.Value{Why: snapshot.FirstSample}
	}
	return snapshot.ValueOf(float64(total) / float64(dt))
}

// sortTIDs sorts ids and leaves out those that are there twice: a thread may
// move from one nested container to the other while they are listed.
func sortTIDs(tids []int32) []int32 {
	slices.Sort(tids)
	return slices.Compact(tids)
}
