package tick

import (
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Brain is the pure part of a tick: what it is told leads to what is decided
// and offered, and to nothing else. The daemon and a replay share it.
type Brain struct {
	demand    demand.Tracker
	estimator estimator.Estimator
	qos       qos.State
	promises  []signal.Promise
}

// NewBrain makes a Brain that has seen nothing but what st says.
func NewBrain(e estimator.Estimator, st qos.State) *Brain { return &Brain{estimator: e, qos: st} }

// Think decides on in, whose Demands and Promises it fills in, and then estimates: the
// decision comes first, so that a stop is in the offer of the same tick.
func (b *Brain) Think(p *policy.Policy, in *qos.Input) (qos.Decision, estimator.Offer) {
	in.Promises = b.promises
	in.Demands = b.demand.Next(in.Snapshot)
	d, next := qos.Decide(p, b.qos, *in)
	b.qos = next
	b.estimator.Feedback(estimator.Feedback{StopOffer: d.StopOffering, Acted: d.Acted})
	offer := b.estimator.Estimate(in.Snapshot, in.Demands)
	b.promises = promisesOf(&offer)
	return d, offer
}

// State is what the Brain remembers of decisions.
func (b *Brain) State() qos.State { return b.qos }

// promisesOf is what an offer took for granted. One that was made blindly took
// nothing for granted.
func promisesOf(o *estimator.Offer) []signal.Promise {
	out := make([]signal.Promise, 0, len(o.Resources))
	for i := range o.Resources {
		r := &o.Resources[i]
		p := signal.Promise{Resource: r.Resource, RevocableTotal: r.RevocableTotal, NoPeak: r.Estimate == nil}
		if r.Estimate != nil {
			p.Peak, p.Allocated = r.Peak+r.Margin, r.RegularAllocated
		}
		if r.Allocation != nil {
			p.Owed = r.Allocation.Owed
		}
		if r.Estimate != nil || r.Allocation != nil && r.Allocation.Governor != nil {
			out = append(out, p)
		}
	}
	return out
}
