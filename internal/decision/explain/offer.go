package explain

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// Offer is the answer to "why is the offer what it is".
type Offer struct {
	At              time.Time `json:"at"`
	Run             string    `json:"run"`
	Seq             uint64    `json:"seq"`
	Reported        bool      `json:"reported"`
	Agent           string    `json:"agent,omitzero"`
	UsageAgeSeconds float64   `json:"usage_age_s,omitzero"`
	HostAgeSeconds  float64   `json:"host_age_s"`
	Resources       []OfferOf `json:"resources"`

	record *decision.Record
}

// OfferOf is that of one resource.
type OfferOf struct {
	estimator.ResourceOffer
	// Causes are what keeps it from being larger, in the order in which to look at
	// them.
	Causes []Cause `json:"causes"`
}

// Offer explains the last offer.
func (l *Log) Offer() (*Offer, error) {
	r := l.last(decisionlog.Query{})
	if r == nil {
		return nil, l.empty()
	}
	return OfferIn(r), nil
}

// OfferIn explains the offer of a record.
func OfferIn(r *decision.Record) *Offer {
	o := &Offer{
		At: r.At, Run: r.Run, Seq: r.Seq, Reported: r.Reported, Agent: r.Agent, UsageAgeSeconds: r.UsageAgeSeconds, record: r,
	}
	if !r.Host.At.IsZero() {
		o.HostAgeSeconds = r.At.Sub(r.Host.At).Seconds()
	}
	for i := range r.Offer.Resources {
		o.Resources = append(o.Resources, OfferOf{ResourceOffer: r.Offer.Resources[i], Causes: Causes(r, &r.Offer.Resources[i])})
	}
	return o
}

// Text is the answer for people.
func (o *Offer) Text() string {
	var p page
	p.say("", "Offer at %s (tick %d)", clock(o.At), o.Seq)
	if o.Reported {
		p.say("", "From the report of agent %q, %s old, and the host's readings, %s old.", o.Agent, seconds(o.UsageAgeSeconds), seconds(o.HostAgeSeconds))
	} else {
		p.say("", "No agent has reported; the host's readings are %s old.", seconds(o.HostAgeSeconds))
	}
	for i := range o.Resources {
		p.blank()
		p.offer(&o.Resources[i], o.record)
	}
	return p.String()
}

func (p *page) offer(o *OfferOf, r *decision.Record) {
	p.say("", "%s", o.Resource)
	of := func(x resources.Milli) string { return Quantity(o.Resource, x) }
	allocated := estimator.Allocated{}
	if o.Allocated != nil {
		allocated = *o.Allocated
	}
	switch {
	case o.Why == reason.Fixed, o.Why == reason.Noop, o.Why == reason.Stopped && o.Governor == nil:
		p.row("", "total set by the operator", of(o.Target), "")
	case o.Why.IsBlind(), o.Estimate == nil, o.Governor == nil:
		p.row("", "allocated to regular containers", of(allocated.RegularAllocated), "")
		p.row("", "predicted", "-", "nothing is promised blindly")
	default:
		p.terms(o)
	}
	if a := o.Allocation; a != nil {
		p.reserved(a, of)
	}
	p.row("=", "revocable total", of(o.RevocableTotal), "")
	p.row("-", "revocable allocated", of(allocated.RevocableAllocated), "")
	p.row("=", "offered", of(o.Offered), "what the agent is answered")
	p.say("  ", "Decided by: %s", code(r.OfferWhy(&o.ResourceOffer)))
	if len(o.Causes) > 0 {
		p.say("  ", "What keeps it from being more, in the order to look at it:")
	}
	for i, c := range o.Causes {
		p.say(fmt.Sprintf("  %2d. ", i+1), "%s (%s)", c.Text, c.Why)
		if c.Cure != "" {
			p.say("      ", "cure: %s", c.Cure)
		}
	}
}

// reserved is the part that is reserved and not allocated.
func (p *page) reserved(a *estimator.AllocationOffer, of func(resources.Milli) string) {
	for i := range a.Roles {
		r := &a.Roles[i]
		p.row("", "reserved to "+r.Role+", not allocated", of(r.Unallocated), "keeps "+of(r.Keep))
	}
	p.row("-", "not there although reserved", of(a.Shortfall), "")
	p.row("=", "allocation slack", of(a.Slack), "")
	p.row("+", "of reservations, after its governor", of(a.Total), code(a.Why))
}

// terms are those of an offer that was estimated and governed.
func (p *page) terms(o *OfferOf) {
	of := func(x resources.Milli) string { return Quantity(o.Resource, x) }
	p.row("", "allocated to regular containers", of(o.RegularAllocated), "")
	p.row("-", "their predicted peak demand", of(o.Peak), fmt.Sprintf("use %s, demand %s now", of(o.Usage), of(o.Demand)))
	if o.InFull > 0 {
		p.row("", "of which counted in full", of(o.InFull), "see below")
	}
	p.row("-", "margin", of(o.Margin), "")
	p.row("-", "used outside the containers", of(o.Unmanaged), "beyond what the agent leaves to others")
	p.row("=", "slack", of(o.Slack), "")
	if o.Cap != nil {
		p.row("", "cap of the operator", of(*o.Cap), "")
	} else {
		p.row("", "cap of the operator", "none", "")
	}
	p.row("=", "target", of(o.Target), "the lesser of the two")
	p.row("", "revocable total before", of(o.Governor.Before), "")
	p.row("", "least target of the hold time", of(o.Governor.Least), "")
}
