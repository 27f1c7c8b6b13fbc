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
	path kernel.Path
	buf  []byte
	open int
}

func newThreadReader(proc string) *threadReader {
	return &threadReader{proc: proc, buf: make([]byte, 256)}
}

// hasSchedstat reports whether this kernel tells how long threads waited.
func (r *threadReader) hasSchedstat() bool {
	text, why := kernel.ReadOnce(unix.AT_FDCWD, kernel.NewPath(filepath.Join(r.proc, "self", "schedstat")), r.buf)
	return why == snapshot.Present && kernel.ParseRunDelay(text).OK()
}

// update reads the threads tids, which are sorted. What is of threads that have
// ended, or cannot be read, is forgotten; what is new counts from the next
// update on.
func (r *threadReader) update(s *threads, tids []int32) snapshot.Absence {
	s.list, s.before = s.before[:0], s.list
	old := s.before
	for _, tid := range tids {
		for len(old) > 0 && old[0].tid < tid {
			r.close(&old[0])
			old = old[1:]
		}
		known := len(old) > 0 && old[0].tid == tid
		var t thread
		if known {
			t, old = old[0], old[1:]
			if r.again(&t) {
				s.list = append(s.list, t)
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
		t.delay = n
		return t, snapshot.Present
	}
	r.close(&t)
	return thread{}, snapshot.Vanished
}

// again reads a thread that is open; false when it has ended.
func (r *threadReader) again(t *thread) bool {
	n, ok := r.read(t)
	if !ok || n < t.delay {
		return false
	}
	t.delta, t.compared, t.delay = n-t.delay, true, n
	return true
}

func (r *threadReader) read(t *thread) (uint64, bool) {
	text, why := kernel.Read(int(t.fd), r.buf)
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
// dt, without what the quota held back: throttled ns since the sample before.
//
// A thread that a quota holds back stays on its run queue and is charged for
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
		// The kernel adds a wait when it ends: one may be longer than dt.
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
