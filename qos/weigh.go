package qos

import (
	"github.com/estimatord/estimatord/reason"
	"github.com/estimatord/estimatord/resources"
	"github.com/estimatord/estimatord/snapshot"
)

// weighed is a container that was looked at as a victim.
type weighed struct {
	Candidate
	c        *snapshot.Container
	priority int
}

// eligible reports whether it may be killed; Why is empty then, until it is
// known who is chosen.
func (w *weighed) eligible() bool { return w.Why == "" }

// weigh looks at every top-level container that is not regular, and ranks
// them. Regular ones are not even looked at.
func weigh(p *Policy, v *view, inFlight []InFlight) []*weighed {
	ws := []*weighed{}
	for i := range v.s.Containers {
		c := &v.s.Containers[i]
		if c.Parent != "" || c.Class() == snapshot.ClassRegular {
			continue
		}
		w := &weighed{c: c, Candidate: Candidate{Key: c.Key, Age: c.Age(v.s.At)}}
		cores := v.containerCores(c)
		if cores.OK() {
			w.UsageCores = cores.V
		}
		if e := c.Executor; e != nil {
			w.FrameworkID, w.ExecutorID = e.FrameworkID, e.ExecutorID
			w.OverCores = w.UsageCores - allocatedCores(e)
			w.priority = p.Victims.priority(e)
		}
		w.Why = unfit(p, w, cores, inFlight)
		ws = append(ws, w)
	}
	rank(ws)
	return ws
}

// unfit is why w may not be killed, "" when it may.
func unfit(p *Policy, w *weighed, cores snapshot.Value, inFlight []InFlight) reason.Code {
	e := w.c.Executor
	switch {
	case e == nil:
		return reason.UnknownToAgent
	case e.Class == snapshot.ClassShared:
		return reason.RunsRegularTask
	}
	if _, err := NewVictim(w.c, Cause{}); err != nil {
		return reason.NotRevocable
	}
	for i := range inFlight {
		if inFlight[i].Key == w.Key {
			return reason.AlreadyDying
		}
	}
	switch {
	case p.Victims.Protect.protects(e):
		return reason.Protected
	case !w.c.OnDisk:
		return reason.NotOnDisk
	case !cores.OK():
		return reason.UnknownUsage
	case w.Age < p.Victims.MinAge:
		return reason.TooYoung
	case w.UsageCores < p.Victims.MinUsage:
		return reason.TooSmall
	}
	return ""
}

// allocatedCores is all that e was given, its regular overhead included.
func allocatedCores(e *snapshot.Executor) float64 {
	return (e.Regular.Get(resources.CPUs) + e.Revocable.Get(resources.CPUs)).Float()
}
