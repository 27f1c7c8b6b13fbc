package qos

import (
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
func (e *engine) weigh(p *policy.Policy, v *signal.View, res policy.Resource, inFlight []InFlight) []*weighed {
	n := 0
	for i := range v.Snapshot.Containers {
		if mayBeWeighed(&v.Snapshot.Containers[i]) {
			n++
		}
	}
	all, ws := make([]weighed, n), make([]*weighed, 0, n)
	for i := range v.Snapshot.Containers {
		c := &v.Snapshot.Containers[i]
		if !mayBeWeighed(c) {
			continue
		}
		w := &all[len(ws)]
		*w = weighed{c: c, Candidate: Candidate{Key: c.Key, AgeSeconds: c.Age(v.Snapshot.At).Seconds(), Resource: res}}
		use := v.Use(c, res)
		if use.OK() {
			w.Usage = use.V
		}
		if x := c.Executor; x != nil {
			w.FrameworkID, w.ExecutorID = x.FrameworkID, x.ExecutorID
			w.Over = w.Usage - allocated(x, res)
			w.Priority = p.Victims.PriorityOf(x)
		}
		w.Why = e.unfit(p, v, w, use, inFlight)
		ws = append(ws, w)
	}
	rank(ws)
	return ws
}

func mayBeWeighed(c *snapshot.Container) bool {
	return c.Parent == "" && c.Class() != snapshot.ClassRegular
}

// unfit is why w may not be killed, "" when it may.
func (e *engine) unfit(p *policy.Policy, v *signal.View, w *weighed, use snapshot.Value, inFlight []InFlight) reason.Code {
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
	case isInFlight(inFlight, w.Key):
		return reason.AlreadyDying
	case p.Victims.Protect.Protects(x):
		return reason.Protected
	case !w.c.OnDisk:
		return reason.NotOnDisk
	case !use.OK():
		return reason.UnknownUsage
	case w.c.Age(v.Snapshot.At) < p.Victims.MinAge:
		return reason.TooYoung
	case w.Resource == policy.CPU && w.Usage < p.Victims.MinUsage && !e.isFrozen(w.Key, v.Snapshot.At, p):
		return reason.TooSmall
	}
	return ""
}
