package qos

import (
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
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
func (e *engine) weigh(p *Policy, v *view, res Resource, inFlight []InFlight) []*weighed {
	n := 0
	for i := range v.s.Containers {
		if mayBeWeighed(&v.s.Containers[i]) {
			n++
		}
	}
	all, ws := make([]weighed, n), make([]*weighed, 0, n)
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if !mayBeWeighed(c) {
			continue
		}
		w := &all[len(ws)]
		*w = weighed{c: c, Candidate: Candidate{Key: c.Key, AgeSeconds: c.Age(v.s.At).Seconds(), Resource: res}}
		use := v.use(c, res)
		if use.OK() {
			w.Usage = use.V
		}
		if x := c.Executor; x != nil {
			w.FrameworkID, w.ExecutorID = x.FrameworkID, x.ExecutorID
			w.Over = w.Usage - allocated(x, res)
			w.Priority = p.Victims.priority(x)
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
func (e *engine) unfit(p *Policy, v *view, w *weighed, use snapshot.Value, inFlight []InFlight) reason.Code {
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
	case p.Victims.Protect.protects(x):
		return reason.Protected
	case !w.c.OnDisk:
		return reason.NotOnDisk
	case !use.OK():
		return reason.UnknownUsage
	case w.c.Age(v.s.At) < p.Victims.MinAge:
		return reason.TooYoung
	case w.Resource == CPU && w.Usage < p.Victims.MinUsage && !e.isFrozen(w.Key, v.s.At, p):
		return reason.TooSmall
	}
	return ""
}
