package monitor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Wait sleeps until the next Poll is due, FastEvery after the one before, or until
// a trigger fired, and reports whether it is time for a Glance instead. It returns
// within FastEvery, and is for the goroutine that calls those.
//
// It sleeps in the kernel, on the thread that calls it. A timer of the runtime
// would wake one thread that looks for timers, another one that looks for work,
// and the runtime's monitor: ten times a second that is more than all the looking.
func (f *Fast) Wait() (glance bool) {
	now := monotonic()
	if !f.glanced {
		f.due = max(f.due, now-FastEvery) + FastEvery // polls that are missed are not made up for
	}
	f.glanced = f.Triggers() > 0 && (f.again || f.waitFired()) && f.room(now)
	if !f.glanced {
		sleepUntil(f.due)
	}
	return f.glanced
}

// waitFired waits for a trigger, and reports whether one fired before the next
// poll is due.
func (f *Fast) waitFired() bool {
	for {
		left := f.due - monotonic()
		if left < minPoll {
			return false // too late for a glance
		}
		n, err := unix.EpollWait(f.epoll, f.events[:], int((left+time.Millisecond-1)/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil {
			f.fire(f.events[:n])
		}
		return err == nil && n > 0
	}
}

// room sleeps until a glance may follow the look at time last, and reports whether
// it does so well before the next poll.
func (f *Fast) room(last time.Duration) bool {
	at := max(last+minPoll, monotonic())
	if f.due-at < minPoll {
		return false
	}
	sleepUntil(at)
	return true
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // every kernel has this clock
	}
	return time.Duration(ts.Nano())
}

// sleepUntil sleeps until that time of the monotonic clock.
func sleepUntil(at time.Duration) {
	if monotonic() >= at {
		return // the kernel would take it for a very short sleep
	}
	ts := unix.NsecToTimespec(at.Nanoseconds())
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil), unix.EINTR) {
	}
}
