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

// stuckFreeze is what is known of a freeze that does not come to an end.
type stuckFreeze struct {
	// freezingAt is when FREEZING was seen first, pausedAt when it was let go.
	freezingAt, pausedAt time.Time
	pauses               int
}

// thawStuck decides about a v1 freeze that may have to be let go; ok is false
// where decide does.
func thawStuck(h *file, s reading, w want, now time.Time) (v decision, ok bool) {
	if !h.applied || !w.of(freeze) || s.name != "freezer.state" {
		return decision{}, false
	}
	t := &h.stuck
	switch {
	case !t.pausedAt.IsZero() && s.value == h.base:
		if now.Sub(t.pausedAt) < freezePause {
			return decision{why: Freezing}, true
		}
		t.pausedAt, t.freezingAt = time.Time{}, time.Time{}
		return decision{}, false
	case !s.freezing:
		*t = stuckFreeze{}
		return decision{}, false
	case t.freezingAt.IsZero():
		t.freezingAt = now
		return decision{}, false
	case now.Sub(t.freezingAt) < freezePatience:
		return decision{}, false
	case t.pauses == mostPauses:
		return decision{why: Unfreezable, write: h.base, restore: true, handOff: Unfreezable}, true
	}
	t.pauses++
	t.pausedAt = now
	h.wrote = false // what is in it from here on is the base
	return decision{why: Freezing, write: h.base, again: true}, true
}
