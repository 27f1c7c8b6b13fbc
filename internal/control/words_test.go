package control

import (
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
)

// The summary says what is worst, and an operator's pause before all.
func TestSummary(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*decision.Record)
		pol    *config.PolicyStatus
		mode   string
		paused Pause
		level  Level
		want   string
	}{
		{name: "calm", pol: &config.PolicyStatus{}, level: Good, want: "All is well. 4 cpus offered beside 4 allocated as revocable."},
		{name: "no slack", pol: &config.PolicyStatus{}, change: func(r *decision.Record) {
			r.Offer.Resources[0].Why, r.Offer.Resources[0].RevocableTotal = reason.NoSlack, 0
		}, level: Good, want: "All is well. No cpus offered: what regular tasks may need"},
		{name: "no policy", level: Notice, want: "no policy"},
		{name: "noop", mode: "noop", pol: &config.PolicyStatus{}, level: Good, want: "only watches"},
		{name: "bad policy", pol: &config.PolicyStatus{Err: "line 3"}, level: Bad, want: "refused"},
		{name: "blind", change: func(r *decision.Record) { r.Offer.Resources[0].Why = reason.StaleUsage }, level: Bad, want: "agent's last report is older"},
		{name: "paused and blind", change: func(r *decision.Record) { r.Offer.Resources[0].Why = reason.StaleUsage }, paused: Pause{PausedSince: now}, level: Notice, want: "since 12:00:00 UTC, until resume or a restart:"},
		{name: "spent", change: func(r *decision.Record) { r.QoS.Budget.OpenSince, r.QoS.Budget.Used = now, 5 }, level: Bad, want: "spent (5 kills)"},
		{name: "active", change: func(r *decision.Record) { r.QoS.Rules[0].Active, r.QoS.Why = true, reason.Throttled }, level: Notice, want: "rule cpu is active. A rule is active; revocable containers are throttled."},
		{name: "stopped", change: func(r *decision.Record) { r.Offer.Resources[0].Why = reason.Stopped }, level: Notice, want: "The offer is stopped"},
		{name: "killing", change: func(r *decision.Record) { r.Dying = make([]decision.Dying, 1) }, level: Notice, want: "are killed"},
		{name: "learning", change: func(r *decision.Record) { r.Offer.Resources[0].Why = reason.CountedInFull }, pol: &config.PolicyStatus{}, level: Notice, want: "learning"},
	} {
		nd := newNode(1, now)
		nd.tick(tc.change)
		if w := wordsOf(nd.last, tc.mode, tc.pol, tc.paused); w.Level != tc.level || !strings.Contains(w.Summary, tc.want) || len(w.Rules) != 1 || len(w.Offers) != 1 {
			t.Errorf("%s: %+v; want %s with %q", tc.name, w, tc.level, tc.want)
		}
	}
	if w := wordsOf(nil, "usage", nil, Pause{}); w.Level != Notice || w.Summary == "" {
		t.Errorf("before the first tick: %+v", w)
	}
}
