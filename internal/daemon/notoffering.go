package daemon

import (
	"log/slog"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// warnAfter is how long nothing may be offered before it is worth a warning.
const warnAfter = 30 * time.Second

// notOffering warns when something keeps the daemon from offering anything, with
// the cause and what to do about it. It is a tick.Observer.
type notOffering struct {
	log *slog.Logger
	// blocked is what has kept each resource from being offered, and since when.
	blocked map[string]*blockage
}

type blockage struct {
	why    reason.Code
	since  time.Time
	warned bool
}

// Observe implements tick.Observer.
func (n *notOffering) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	if n.blocked == nil {
		n.blocked = map[string]*blockage{}
	}
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		b := n.blocked[o.Resource]
		if o.RevocableTotal > 0 {
			if b != nil && b.warned {
				n.log.Info("offered again", "resource", o.Resource, "after", r.At.Sub(b.since).Round(time.Second).String())
			}
			delete(n.blocked, o.Resource)
			continue
		}
		if b == nil || b.why != o.Why {
			b = &blockage{why: o.Why, since: r.At}
			n.blocked[o.Resource] = b
		}
		if b.warned || r.At.Sub(b.since) < warnAfter {
			continue
		}
		if c := explain.Deciding(explain.Causes(r, o), o.Why); !c.Expected && c.Text != "" {
			b.warned = true
			n.log.Warn("nothing is offered", "resource", o.Resource, "why", string(o.Why), "cause", c.Text, "cure", c.Cure)
		}
	}
}
