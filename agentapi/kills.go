package agentapi

import (
	"errors"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// ErrVictim says that a victim was not made by qos.NewVictim.
var ErrVictim = errors.New("invalid victim")

// KillCounts counts what became of kills since the daemon started.
type KillCounts struct {
	// Queued were asked for.
	Queued uint64
	// HandedOver were answered to an agent, Retried again because the
	// container did not go away.
	HandedOver, Retried uint64
	// Unsent were to be handed over, but the caller was gone.
	Unsent uint64
	// Confirmed were handed over and their container is gone.
	Confirmed uint64
	// EndedItself were never handed over: the container went away before.
	EndedItself uint64
	// Expired waited too long for an agent to ask.
	Expired uint64
	// Ignored were handed over, and their container was still there when it was
	// time to say it again.
	Ignored uint64
	// Dropped: the agent no longer lists the executor as it was when it was
	// decided on.
	Dropped uint64
}

// killState is where a kill is.
type killState uint8

const (
	// killQueued: waits for the next Corrections call, or for its warning before.
	killQueued killState = iota
	// killSending: part of an answer that is not written yet.
	killSending
	// killHanded: the agent was told; waits for the container to vanish.
	killHanded
)

// kill is one container to be killed.
type kill struct {
	victim qos.Victim
	since  time.Time
	state  killState
	// warned is when it may be handed over, whether its warning has ended by
	// then or not; zero when none is under way.
	warned time.Time
	// handovers counts how often the agent was told.
	handovers int
	// retryAt is when to tell it again, retryIn how long that was.
	retryAt time.Time
	retryIn time.Duration
}

// outcome is a kill that ended.
type outcome struct {
	kill *kill
	why  string
}

// killQueue remembers kills from the decision until the container is gone. It
// is for one goroutine at a time and reads no clock.
type killQueue struct {
	retryAfter, retryCap, validFor time.Duration

	kills  []*kill // in the order of decision, one per key
	counts KillCounts
}

// add queues a kill; asking again for a container that is in flight is fine
// and reported as not new.
// It is not handed over before warned, unless release says so; zero: at once.
func (q *killQueue) add(v qos.Victim, now, warned time.Time) (isNew bool, err error) {
	if !v.Valid() {
		return false, ErrVictim
	}
	if slices.ContainsFunc(q.kills, func(k *kill) bool { return k.victim.Key() == v.Key() }) {
		return false, nil
	}
	q.kills = append(q.kills, &kill{victim: v, since: now, warned: warned})
	q.counts.Queued++
	return true, nil
}

func (q *killQueue) inFlight() []qos.InFlight {
	out := make([]qos.InFlight, 0, len(q.kills))
	for _, k := range q.kills {
		out = append(out, qos.InFlight{Key: k.victim.Key(), Since: k.since})
	}
	return out
}

// release ends the warning of a kill.
func (q *killQueue) release(key snapshot.Key) {
	for _, k := range q.kills {
		if k.victim.Key() == key {
			k.warned = time.Time{}
		}
	}
}

// dying are the kills that the agent was told of.
func (q *killQueue) dying() (out []qos.Victim) {
	for _, k := range q.kills {
		if k.handovers > 0 {
			out = append(out, k.victim)
		}
	}
	return out
}

// taken is what a Corrections call is to do about kills.
type taken struct {
	// batch is to be handed over; sent or unsent must be called with it.
	batch []*kill
	// wantFresh: a kill is due whose executor only a newer report lists, so
	// the call should end and come again with a fresh one.
	wantFresh bool
	// ended are kills that are not going to be handed over.
	ended []outcome
}

// take selects what the answer to a request that carried report is to hold;
// latest is the newest report of any call. Both must list the executor as it
// was decided on, as revocable: between decision and handover its task may
// have ended or a regular one may have started beside it, and the agent checks
// nothing of that (slave.cpp:9513).
func (q *killQueue) take(now time.Time, report, latest *snapshot.Usage) (t taken) {
	q.kills = slices.DeleteFunc(q.kills, func(k *kill) bool {
		switch {
		case k.state == killSending || k.state == killHanded && now.Before(k.retryAt) || now.Before(k.warned):
			return false
		case q.expired(k, now):
			q.counts.Expired++
			t.ended = append(t.ended, outcome{k, "no agent asked for it in time"})
			return true
		case !listed(latest, k.victim):
			q.counts.Dropped++
			t.ended = append(t.ended, outcome{k, "the agent does not list it as revocable any more"})
			return true
		case !listed(report, k.victim):
			t.wantFresh = true
			return false
		}
		k.state = killSending
		t.batch = append(t.batch, k)
		return false
	})
	return t
}

// sent records that a batch was written to the agent.
func (q *killQueue) sent(batch []*kill, now time.Time) {
	for _, k := range batch {
		k.state = killHanded
		k.handovers++
		if k.handovers == 1 {
			q.counts.HandedOver++
			k.retryIn = q.retryAfter
		} else {
			q.counts.Retried++
			k.retryIn = min(2*k.retryIn, q.retryCap)
			if k.handovers == 2 {
				q.counts.Ignored++
			}
		}
		k.retryAt = now.Add(k.retryIn)
	}
}

// unsent returns a batch whose caller was gone to where it was.
func (q *killQueue) unsent(batch []*kill) {
	for _, k := range batch {
		q.counts.Unsent++
		if k.handovers > 0 {
			k.state = killHanded // and still due
		} else {
			k.state = killQueued
		}
	}
}

// nextDue is the earliest time at which a kill is due again, or a warning is
// over.
func (q *killQueue) nextDue() (at time.Time, ok bool) {
	for _, k := range q.kills {
		due := k.retryAt
		switch {
		case k.state == killQueued && !k.warned.IsZero():
			due = k.warned
		case k.state != killHanded:
			continue
		}
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// observe ends the kills whose container is gone in s, and those that nobody
// asked for in time.
func (q *killQueue) observe(s *snapshot.Snapshot) (ended []outcome) {
	q.kills = slices.DeleteFunc(q.kills, func(k *kill) bool {
		switch {
		case gone(k, s) && k.state == killQueued && k.handovers == 0:
			q.counts.EndedItself++
			ended = append(ended, outcome{k, "it ended by itself"})
			return true
		case gone(k, s):
			q.counts.Confirmed++
			ended = append(ended, outcome{k, "confirmed"})
			return true
		case q.expired(k, s.At):
			q.counts.Expired++
			ended = append(ended, outcome{k, "no agent asked for it in time"})
			return true
		}
		return false
	})
	return ended
}

// expired reports whether k has waited too long, its warning apart. What was
// handed over once does not expire: the agent is at it.
func (q *killQueue) expired(k *kill, now time.Time) bool {
	return k.state == killQueued && now.Sub(k.since) > q.validFor && now.Sub(k.warned) > q.validFor
}

// gone reports whether k's container is certainly gone in s. One that had a
// cgroup is gone when that cgroup is: the same id with another inode is another
// container. One that never had a cgroup is gone when the agent, asked after
// the decision, does not list it.
func gone(k *kill, s *snapshot.Snapshot) bool {
	key := k.victim.Key()
	if s.TreeWhy != snapshot.Present {
		return false
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.OnDisk && c.ID == key.ID && (key.Inode == 0 || c.Inode == 0 || c.Inode == key.Inode) {
			return false
		}
	}
	if key.Inode != 0 {
		return true
	}
	return s.Usage != nil && s.Usage.At.After(k.since) &&
		!slices.ContainsFunc(s.Usage.Executors, func(e snapshot.Executor) bool { return e.ContainerID == key.ID })
}

// listed reports whether u lists v's executor with the same ids, as one that
// may be killed.
func listed(u *snapshot.Usage, v qos.Victim) bool {
	if u == nil {
		return false
	}
	for i := range u.Executors {
		e := &u.Executors[i]
		if e.ContainerID == v.Key().ID {
			return e.FrameworkID == v.FrameworkID() && e.ExecutorID == v.ExecutorID() && e.Class == snapshot.ClassRevocable
		}
	}
	return false
}
