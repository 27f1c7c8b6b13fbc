package qos

import (
	"cmp"
	"slices"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// weighed is a container that was looked at as a victim.
type weighed struct {
	Candidate
	c *snapshot.Container
}

// eligible reports whether it may be killed; Why is empty then, until it is
// known who is chosen.
func (w *weighed) eligible() bool { return w.Why == "" }

// weigh looks at every top-level container that is not regular, and ranks
// them by what they use of res. Regular ones are not even looked at.
func (t *turn) weigh(res policy.Resource) []*weighed {
	s := t.v.Snapshot
	n := 0
	for i := range s.Containers {
		if mayBeWeighed(&s.Containers[i]) {
			n++
		}
	}
	all, ws := make([]weighed, n), make([]*weighed, 0, n)
	for i := range s.Containers {
		c := &s.Containers[i]
		if !mayBeWeighed(c) {
			continue
		}
		w := &all[len(ws)]
		*w = weighed{c: c, Candidate: Candidate{Key: c.Key, AgeSeconds: c.Age(s.At).Seconds(), Resource: res}}
		use := t.v.Use(c, res)
		if use.OK() {
			w.Usage = use.V
		}
		if x := c.Executor; x != nil {
			w.FrameworkID, w.ExecutorID = x.FrameworkID, x.ExecutorID
			w.Over = w.Usage - allocated(x, res)
			w.Priority = t.p.Victims.PriorityOf(x)
		}
		w.Why = t.unfit(w, use)
		ws = append(ws, w)
	}
	rank(ws)
	return ws
}

func mayBeWeighed(c *snapshot.Container) bool {
	return c.Parent == "" && c.Class() != snapshot.ClassRegular
}

// unfit is why w may not be killed, "" when it may.
func (t *turn) unfit(w *weighed, use snapshot.Value) reason.Code {
	x := w.c.Executor
	switch {
	case x == nil:
		return reason.UnknownToAgent
	case x.Class == snapshot.ClassShared:
		return reason.RunsRegularTask
	}
	if _, err := NewVictim(w.c, Cause{}); err != nil {
		return reason.NotRevocable
	}
	switch {
	case isInFlight(t.e.dying, w.Key):
		return reason.AlreadyDying
	case t.p.Victims.Protect.Protects(x):
		return reason.Protected
	case !w.c.OnDisk:
		return reason.NotOnDisk
	case !use.OK():
		return reason.UnknownUsage
	case w.c.Age(t.v.Snapshot.At) < t.p.Victims.MinAge:
		return reason.TooYoung
	case w.Resource == policy.CPU && w.Usage < t.p.Victims.MinUsage && !t.isFrozen(w.Key) && !t.isReclaimed(w.Key):
		return reason.TooSmall
	}
	return ""
}

// isReclaimed reports whether k uses little for the sake of the throttle by which an
// owner has its CPU: what it was given is the owner's, too, so that it has to go.
func (t *turn) isReclaimed(k snapshot.Key) bool {
	return t.e.limitOf(policy.CPU, k) > 0 && slices.ContainsFunc(t.js, func(j judgement) bool {
		return j.rule.Signal == signal.Reservation && j.rule.Action == policy.Kill && j.out.Active
	})
}

// overTolerance is how far above its own allocation, as a share of it, a
// container may read and still be within it: the samples behind a rate and the
// quota's 100 ms periods do not line up.
const overTolerance = 0.05

// over is how far w is above its own allocation, 0 when it is within it.
func (w *weighed) over() float64 {
	if w.Over <= overTolerance*(w.Usage-w.Over) {
		return 0
	}
	return w.Over
}

// rank sorts best victim first: those that may be killed, then the others by id.
func rank(ws []*weighed) {
	slices.SortFunc(ws, func(a, b *weighed) int {
		switch {
		case a.eligible() && b.eligible():
			return compareVictims(a, b)
		case a.eligible():
			return -1
		case b.eligible():
			return 1
		}
		return a.Compare(b.Key)
	})
}

// compareVictims is below zero when a is the better victim: what the operator
// values least; what is most above its own allocation; whose end frees most, so
// that fewer must go; the youngest, which loses the least work. The id settles
// ties the same way every time, so that a replay agrees.
func compareVictims(a, b *weighed) int {
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(b.over(), a.over()),
		cmp.Compare(b.Usage, a.Usage),
		b.c.FirstSeen.Compare(a.c.FirstSeen),
		a.Compare(b.Key),
	)
}
