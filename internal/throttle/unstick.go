package throttle

import "time"

// A v1 cgroup can stay FREEZING for good: execve(2) of a process with several
// threads waits, uninterruptibly, for the others to end, and those that are
// frozen already cannot (seen on Linux 6.18; fs/exec.c, de_thread). Letting all
// of it go for a moment resolves that.
const (
	// freezePatience is how long FREEZING is no reason to worry: a task that
	// runs is stopped within a tick of 4 ms once it has a CPU.
	freezePatience = 250 * time.Millisecond
	// freezePause is how long it is let go at least.
	freezePause = 20 * time.Millisecond
	// mostPauses is after how many of these it is given up, since a container
	// that is half frozen is worse off than one that runs or one that stands.
	mostPauses = 3
)

// thawing is what is known of a freeze that does not come to an end.
type thawing struct {
	// freezingAt is when FREEZING was seen first, pausedAt when it was let go.
	freezingAt, pausedAt time.Time
	pauses               int
}

// unstick is the verdict on a v1 freeze that may have to be let go; ok is false
// where judge has the word.
func unstick(h *held, s sight, w want, now time.Time) (v verdict, ok bool) {
	if !h.on || !w.of(freeze) || s.file != "freezer.state" {
		return verdict{}, false
	}
	t := &h.thawing
	switch {
	case !t.pausedAt.IsZero() && s.value == h.base:
		if now.Sub(t.pausedAt) < freezePause {
			return verdict{why: Freezing}, true
		}
		t.pausedAt, t.freezingAt = time.Time{}, time.Time{}
		return verdict{}, false
	case !s.freezing:
		*t = thawing{}
		return verdict{}, false
	case t.freezingAt.IsZero():
		t.freezingAt = now
		return verdict{}, false
	case now.Sub(t.freezingAt) < freezePatience:
		return verdict{}, false
	case t.pauses == mostPauses:
		return verdict{why: Unfreezable, write: h.base, restore: true, handOff: Unfreezable}, true
	}
	t.pauses++
	t.pausedAt = now
	h.wrote = false // what it holds from here on is the base
	return verdict{why: Freezing, write: h.base, again: true}, true
}
