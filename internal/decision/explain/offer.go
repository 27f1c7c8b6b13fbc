package explain

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/reason"
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
	// Wants is what would have to change for a larger offer.
	Wants string `json:"wants"`
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
		o.Resources = append(o.Resources, OfferOf{ResourceOffer: r.Offer.Resources[i], Wants: Wants(r, &r.Offer.Resources[i])})
	}
	return o
}

// Wants says what would have to change for more of the resource to be offered.
func Wants(r *decision.Record, o *estimator.ResourceOffer) string {
	var g estimator.Terms
	if o.Governor != nil {
		g = *o.Governor
	}
	switch r.OfferWhy(o) {
	case reason.Slack, reason.NoSlack, reason.CountedInFull, reason.UsedOutside:
		return wantsSlack(o)
	case reason.Fixed:
		return "The operator's setting `resources` would have to be larger, or revocable tasks end."
	case reason.Noop:
		return "The operator would have to choose another `mode`."
	case reason.Cap:
		if o.Cap == nil || o.Estimate == nil {
			return ""
		}
		return fmt.Sprintf("The operator's cap (`resources`) of %s would have to be higher: the slack is %s.", *o.Cap, o.Slack)
	case reason.RaiseStep:
		if g.RaiseSeconds > 0 {
			return fmt.Sprintf("Only time: the next raise may be in %s, by %s at most, up to %s.", seconds(g.RaiseSeconds), g.Step, g.Least)
		}
		return fmt.Sprintf("Only time: it rises by %s at most at a time, up to %s.", g.Step, g.Least)
	case reason.DeadBand:
		return fmt.Sprintf("The slack of the hold time would have to reach %s: a rise by less than %s is not worth a change.", g.Before+g.DeadBand, g.DeadBand)
	case reason.Hold:
		if g.HoldSeconds > 0 {
			return fmt.Sprintf("Only time: nothing is raised for another %s, since capacity was taken back.", seconds(g.HoldSeconds))
		}
		return fmt.Sprintf("Only time: within the hold time the target was as low as %s, now it is %s.", g.Least, o.Target)
	case reason.Paused:
		return "An operator has paused the daemon: estimatord resume."
	case reason.BudgetSpent:
		return "The kill budget is spent, which stops the offer: half of it must be there again, or an operator reset it."
	case reason.Stopped:
		return "The rules would have to clear: " + asking(r)
	case reason.NoAgent, reason.StaleUsage:
		return "The agent would have to report its usage: is it running, with the estimatord modules, and on this socket?"
	case reason.NoHost, reason.StaleSamples:
		return "The host's readings would have to be there and fresh: see the log of the daemon, and /metrics."
	case reason.NoSamples:
		return "The container tree would have to be readable (" + r.TreeWhy.String() + "): see `cgroup_root` and `mesos_cgroups_root`."
	}
	return ""
}

// wantsSlack says what would have to change for more slack: what takes most of
// it first.
func wantsSlack(o *estimator.ResourceOffer) string {
	if o.Estimate == nil || o.Allocated == nil {
		return ""
	}
	switch need := o.Peak - o.InFull + o.Margin; {
	case o.InFull > max(need, o.Unmanaged):
		return fmt.Sprintf("Time: the node is still learning. Containers with %s of the allocation are too young to be predicted, or cannot be read, and count in full.", o.InFull)
	case o.Unmanaged > need:
		return fmt.Sprintf("Processes outside the agent's containers would have to use less: they take %s of what regular containers do not need.", o.Unmanaged)
	}
	return "Regular containers would have to demand less, or be allocated more: the slack is what they are allocated and will not use."
}

// asking names the rules that want something.
func asking(r *decision.Record) string {
	names := ""
	for i := range r.QoS.Rules {
		if rule := &r.QoS.Rules[i]; rule.Active {
			if names != "" {
				names += ", "
			}
			names += rule.Name + " (" + string(rule.Why) + ")"
		}
	}
	if names == "" {
		return "none asks for it any more, the ladder is on its way down."
	}
	return names + "."
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
	allocated := estimator.Allocated{}
	if o.Allocated != nil {
		allocated = *o.Allocated
	}
	switch {
	case o.Why == reason.Fixed, o.Why == reason.Noop, o.Why == reason.Stopped && o.Governor == nil:
		p.row("", "total set by the operator", o.Target.String(), "")
	case o.Why.IsBlind(), o.Estimate == nil, o.Governor == nil:
		p.row("", "allocated to regular containers", allocated.RegularAllocated.String(), "")
		p.row("", "predicted", "-", "nothing is promised blindly")
	default:
		p.terms(o, r)
	}
	p.row("=", "revocable total", o.RevocableTotal.String(), "")
	p.row("-", "revocable allocated", allocated.RevocableAllocated.String(), "")
	p.row("=", "offered", o.Offered.String(), "what the agent is answered")
	p.say("  ", "Decided by: %s", code(r.OfferWhy(&o.ResourceOffer)))
	if o.Wants != "" {
		p.say("  ", "For more: %s", o.Wants)
	}
}

// terms are those of an offer that was estimated and governed.
func (p *page) terms(o *OfferOf, r *decision.Record) {
	p.row("", "allocated to regular containers", o.RegularAllocated.String(), "")
	p.row("-", "their predicted peak demand", o.Peak.String(), fmt.Sprintf("use %s, demand %s now", o.Usage, o.Demand))
	if o.InFull > 0 {
		p.row("", "of which counted in full", o.InFull.String(), "too young, or not readable")
	}
	p.row("-", "margin", o.Margin.String(), "")
	p.row("-", "used outside the containers", o.Unmanaged.String(), "beyond what the agent leaves to others")
	p.row("=", "slack", o.Slack.String(), "")
	if o.Cap != nil {
		p.row("", "cap of the operator", o.Cap.String(), "")
	} else {
		p.row("", "cap of the operator", "none", "")
	}
	p.row("=", "target", o.Target.String(), "the lesser of the two")
	p.row("", "revocable total before", o.Governor.Before.String(), "")
	p.row("", "least target of the hold time", o.Governor.Least.String(), "")
	if o.Governor.HoldSeconds > 0 {
		p.row("", "no raise after an action for", seconds(o.Governor.HoldSeconds), "")
	}
	if o.Governor.RaiseSeconds > 0 {
		p.row("", "next raise in", seconds(o.Governor.RaiseSeconds), "")
	}
	switch {
	case r.Commands.Paused:
		p.row("", "paused by an operator", "yes", "")
	case o.Governor.Stopped:
		p.row("", "stopped by the ladder", "yes", asking(r))
	}
}
