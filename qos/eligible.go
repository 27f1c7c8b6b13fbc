package qos

import (
	"slices"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Eligibility weighs every top-level container as a victim of each resource
// that a rule of p is about, as Decide does when a rule asks for it: in victim
// order those that could be one, which are reason.Eligible, and then the others
// with the reason why not. Regular containers are among the latter.
//
// It is nil when nobody can be told apart: there is no policy, or the node
// cannot be seen. A container that is frozen counts by what it uses now.
func Eligibility(p *policy.Policy, s *snapshot.Snapshot, inFlight []InFlight) []Candidate {
	if p == nil || len(p.Rules) == 0 {
		return nil
	}
	v := signal.Look(signal.Past{}, p.Fresh, s, nil, nil)
	if v.Blind != "" {
		return nil
	}
	var out []Candidate
	t := turn{p: p, v: &v, e: &engine{dying: inFlight}, now: s.At}
	for _, res := range [...]policy.Resource{policy.CPU, policy.Memory} {
		if !slices.ContainsFunc(p.Rules, func(r policy.Rule) bool {
			sig := signal.Of(r.Signal)
			return sig != nil && sig.Resource == res
		}) {
			continue
		}
		for _, w := range t.weigh(res) {
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
