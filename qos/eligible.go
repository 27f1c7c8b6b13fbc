package qos

import (
	"slices"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Eligibility weighs every top-level container as a victim of each resource
// that a rule of p is about, as Decide does when a rule asks for it: in victim
// order those that could be one, which are reason.Eligible, and then the others
// with the reason why not. Regular containers are among the latter.
//
// It is nil when nobody can be told apart: there is no policy, or the node
// cannot be seen. A container that is frozen counts by what it uses now.
func Eligibility(p *Policy, s *snapshot.Snapshot, inFlight []InFlight) []Candidate {
	if p == nil || len(p.Rules) == 0 {
		return nil
	}
	v := look(p, s, nil)
	if v.blind != "" {
		return nil
	}
	var out []Candidate
	var e engine
	for _, res := range [...]Resource{CPU, Memory} {
		if !slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Signal.Resource() == res }) {
			continue
		}
		for _, w := range e.weigh(p, &v, res, inFlight) {
			c := w.Candidate
			if w.eligible() {
				c.Why = reason.Eligible
			}
			out = append(out, c)
		}
	}
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Parent == "" && c.Class() == snapshot.ClassRegular {
			x := c.Executor
			out = append(out, Candidate{
				Key: c.Key, FrameworkID: x.FrameworkID, ExecutorID: x.ExecutorID, AgeSeconds: c.Age(s.At).Seconds(), Why: reason.NotRevocable,
			})
		}
	}
	return out
}

// Use is what a container uses of res, in cores or bytes, as Decide counts it;
// absent when it is too old for p or the container is not in s.
func Use(p *Policy, s *snapshot.Snapshot, k snapshot.Key, res Resource) snapshot.Value {
	i, found := slices.BinarySearchFunc(s.Containers, k, func(c snapshot.Container, k snapshot.Key) int { return compareKeys(c.Key, k) })
	if !found {
		return snapshot.Value{}
	}
	v := view{s: s, fresh: p.Fresh}
	return v.use(&s.Containers[i], res)
}
