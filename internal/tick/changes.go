package tick

import (
	"log/slog"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// changes logs a record only where it differs from the one before: an operator
// reads what happened, not that nothing did.
type changes struct {
	log    *slog.Logger
	offers map[string]logged
	qos    reason.Code
}

// logged is what was last said of one resource.
type logged struct {
	total, offered resources.Milli
	blind          reason.Code
}

func (c *changes) record(r *decision.Record) {
	if c.offers == nil {
		c.offers = map[string]logged{}
	}
	for _, o := range r.Offer.Resources {
		now := logged{total: o.RevocableTotal, offered: o.Offered, blind: blindness(o.Why)}
		if before, ok := c.offers[o.Resource]; ok && before == now {
			continue
		}
		c.offers[o.Resource] = now
		c.log.Info("offer", offerAttrs(&o, r.OfferWhy(&o))...)
	}
	if r.QoS.Why != c.qos {
		c.qos = r.QoS.Why
		attrs := []any{"why", string(r.QoS.Why)}
		for i := range r.QoS.Rules {
			rule := &r.QoS.Rules[i]
			attrs = append(attrs, slog.Group(rule.Name, "why", string(rule.Why), "text", r.QoS.Sentence(rule, r.At)))
		}
		c.log.Info("qos", attrs...)
	}
}

// blindness is the code when it says that an input is missing, "" otherwise:
// the codes of a working estimate alternate too often to be news.
func blindness(c reason.Code) reason.Code {
	if c.IsBlind() {
		return c
	}
	return ""
}

func offerAttrs(o *estimator.ResourceOffer, why reason.Code) []any {
	attrs := []any{
		"resource", o.Resource, "offered", o.Offered.String(), "revocable_total", o.RevocableTotal.String(), "why", string(why),
	}
	if a := o.Allocated; a != nil {
		attrs = append(attrs, "regular_allocated", a.RegularAllocated.String(), "revocable_allocated", a.RevocableAllocated.String())
	}
	if e := o.Estimate; e != nil {
		attrs = append(attrs, "regular_usage", e.Usage.String(), "regular_predicted_peak", e.Peak.String(),
			"margin", e.Margin.String(), "unmanaged_usage", e.Unmanaged.String(), "slack", e.Slack.String())
	}
	if o.Cap != nil {
		attrs = append(attrs, "cap", o.Cap.String())
	}
	return attrs
}
