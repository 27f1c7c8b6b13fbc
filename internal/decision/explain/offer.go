package explain

import (
	"fmt"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
)

// Offer is the answer to "why is the offer what it is".
type Offer struct {
	At        decision.Instant  `json:"at"`
	Seq       uint64            `json:"seq"`
	Agent     string            `json:"agent,omitzero"`
	UsageAge  *decision.Seconds `json:"usage_age_s,omitempty"`
	HostAge   decision.Seconds  `json:"host_age_s"`
	TreeWhy   string            `json:"tree_why,omitzero"`
	Resources []OfferOf         `json:"resources"`

	line *decision.Line
}

// OfferOf is that of one resource.
type OfferOf struct {
	decision.OfferLine
	// Wants is what would have to change for a larger offer.
	Wants string `json:"wants"`
}

// Offer explains the last offer.
func (l *Log) Offer() (*Offer, error) {
	line := l.last()
	if line == nil {
		return nil, l.empty()
	}
	o := &Offer{
		At: line.At, Seq: line.Seq, Agent: line.Agent, UsageAge: line.UsageAge, HostAge: line.Host.Age, TreeWhy: line.TreeWhy, line: line,
	}
	for i := range line.Offer {
		o.Resources = append(o.Resources, OfferOf{OfferLine: line.Offer[i], Wants: wants(line, &line.Offer[i])})
	}
	return o, nil
}

// wants says what would have to change for more of the resource to be free.
func wants(l *decision.Line, o *decision.OfferLine) string {
	g := &o.Governor
	switch reason.Code(o.Why) {
	case reason.Slack, reason.NoSlack:
		return "Regular containers would have to demand less, or be allocated more: the slack is what they hold and will not use."
	case reason.Fixed:
		return "The operator's setting `resources` would have to be larger, or revocable tasks end."
	case reason.Noop:
		return "The operator would have to choose another `mode`."
	case reason.Cap:
		return fmt.Sprintf("The operator's cap (`resources`) of %s would have to be higher: the slack is %s.", milli(*o.Cap), milli(o.Slack))
	case reason.RaiseStep:
		if g.RaiseIn > 0 {
			return fmt.Sprintf("Only time: the next raise may be in %s, by %s at most, up to %s.", seconds(g.RaiseIn), milli(g.Step), milli(g.Least))
		}
		return fmt.Sprintf("Only time: it rises by %s at most at a time, up to %s.", milli(g.Step), milli(g.Least))
	case reason.DeadBand:
		return fmt.Sprintf("The slack of the hold time would have to reach %s: a rise by less than %s is not worth a change.", milli(g.Before+g.DeadBand), milli(g.DeadBand))
	case reason.Hold:
		if g.HoldFor > 0 {
			return fmt.Sprintf("Only time: nothing is raised for another %s, since capacity was taken back.", seconds(g.HoldFor))
		}
		return fmt.Sprintf("Only time: within the hold time the target was as low as %s, now it is %s.", milli(g.Least), milli(o.Target))
	case reason.Stopped:
		if l.Budget.Open != nil {
			return "The kill budget is spent, which stops the offer: half of it must be there again, or an operator reset it."
		}
		return "The rules would have to clear: " + asking(l)
	case reason.NoAgent, reason.StaleUsage:
		return "The agent would have to report its usage: is it running, with the estimatord modules, and on this socket?"
	case reason.NoHost, reason.StaleSamples:
		return "The host's readings would have to be there and fresh: see the log of the daemon, and /metrics."
	case reason.NoSamples:
		return "The container tree would have to be readable (" + l.TreeWhy + "): see `cgroup_root` and `mesos_cgroups_root`."
	}
	return ""
}

// asking names the rules that want something.
func asking(l *decision.Line) string {
	names := ""
	for i := range l.Rules {
		if r := &l.Rules[i]; r.Held {
			if names != "" {
				names += ", "
			}
			names += r.Name + " (" + r.Why + ")"
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
	if o.UsageAge != nil {
		p.say("", "From the report of agent %q, %s old, and the host's readings, %s old.", o.Agent, seconds(*o.UsageAge), seconds(o.HostAge))
	} else {
		p.say("", "No agent has reported; the host's readings are %s old.", seconds(o.HostAge))
	}
	for i := range o.Resources {
		p.blank()
		p.offer(&o.Resources[i], o.line)
	}
	return p.String()
}

func (p *page) offer(o *OfferOf, l *decision.Line) {
	p.say("", "%s", o.Resource)
	switch why := reason.Code(o.Why); {
	case why == reason.Fixed, why == reason.Noop, why == reason.Stopped && o.Governor.Quantum == 0:
		p.row("", "total set by the operator", milli(o.Target), "")
	case why.IsBlind():
		p.row("", "allocated to regular containers", milli(o.Allocated), "")
		p.row("", "predicted", "-", "nothing is promised blindly")
	default:
		p.row("", "allocated to regular containers", milli(o.Allocated), "")
		p.row("-", "their predicted peak demand", milli(o.Peak), fmt.Sprintf("use %s, demand %s now", milli(o.Usage), milli(o.Demand)))
		p.row("-", "margin", milli(o.Margin), "")
		p.row("-", "used outside the containers", milli(o.Unmanaged), "beyond what the agent leaves to others")
		p.row("=", "slack", milli(o.Slack), "")
		if o.Cap != nil {
			p.row("", "cap of the operator", milli(*o.Cap), "")
		} else {
			p.row("", "cap of the operator", "none", "")
		}
		p.row("=", "target", milli(o.Target), "the lesser of the two")
		p.row("", "promised before", milli(o.Governor.Before), "")
		p.row("", "least target of the hold time", milli(o.Governor.Least), "")
		if o.Governor.HoldFor > 0 {
			p.row("", "no raise after an action for", seconds(o.Governor.HoldFor), "")
		}
		if o.Governor.RaiseIn > 0 {
			p.row("", "next raise in", seconds(o.Governor.RaiseIn), "")
		}
		if o.Governor.Stopped {
			p.row("", "stopped by the ladder", "yes", asking(l))
		}
	}
	p.row("=", "promised in all (gross)", milli(o.Gross), "")
	p.row("-", "held as revocable", milli(o.Held), "")
	p.row("=", "free", milli(o.Free), "what the agent is answered")
	p.say("  ", "Decided by: %s", code(o.Why))
	if o.Wants != "" {
		p.say("  ", "For more: %s", o.Wants)
	}
}
