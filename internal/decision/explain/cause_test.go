package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// All that keeps an offer down at once is told, in the order in which an operator
// is to look at it.
func TestCausesAreInOrder(t *testing.T) {
	r := &decision.Record{Commands: qos.Commands{Paused: true}, QoS: qos.Decision{
		Budget: qos.BudgetState{OpenSince: time.Unix(1, 0)},
		Rules:  []qos.RuleState{{Name: "busy", Active: true, Why: reason.Clearing}, {Name: "calm"}},
	}, Containers: decision.ContainerCounts{Unreadable: 2}}
	limit := resources.Milli(1000)
	o := &estimator.ResourceOffer{
		Resource: resources.CPUs, Why: reason.Stopped, Cap: &limit, Allocated: &estimator.Allocated{RegularAllocated: 8000},
		Estimate: &estimator.Estimate{Peak: 3000, InFull: 1000, LearningSeconds: 42, Margin: 400, Unmanaged: 600, Slack: 4000},
		Governor: &estimator.Terms{},
	}
	want := []string{
		"paused: an operator has paused the daemon",
		"budget_spent: the kill budget is spent; half of it must be there again",
		"stopped: active rules: busy (clearing)",
		"counted_in_full: 2 containers cannot be read and count at their whole allocation",
		"counted_in_full: still learning for 42s: containers with 1 CPUs are too young to be predicted, and count in full",
		"used_outside: processes outside the agent's containers use 0.6 CPUs of what regular containers leave",
		"no_slack: regular containers may need 2 CPUs of the 8 CPUs that they were allocated",
		"no_slack: the margin keeps back 0.4 CPUs",
		"cap: resources caps it at 1 CPUs, the slack is 4 CPUs",
	}
	var got []string
	for _, c := range explain.Causes(r, o) {
		got = append(got, string(c.Why)+": "+c.Text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	o.Estimate, o.Why = nil, reason.StaleUsage
	r.UsageAgeSeconds = 60
	if c := explain.Causes(r, o); len(c) < 3 || c[2].Text != "the agent's last report is 1m0s old" {
		t.Errorf("blind: %+v", c)
	}
}

// What a setting or a reading of one resource keeps from being offered is said of
// that setting and that reading; what is meant to be so is expected.
func TestCauseIsOfTheResource(t *testing.T) {
	allocated := &estimator.Allocated{RegularAllocated: 2 * resources.Unit}
	host := snapshot.Host{
		BusyCores: snapshot.ValueOf(1), UsableCPUs: snapshot.ValueOf(4),
		UsableMemBytes: snapshot.CountOf(1 << 30), UsableMemAvailableBytes: snapshot.Count{Why: snapshot.Impossible},
	}
	for name, tc := range map[string]struct {
		offer estimator.ResourceOffer
		want  string // the first that is not expected
	}{
		"dead band": {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{}, Governor: &estimator.Terms{DeadBand: 100 * resources.Unit}, Why: reason.DeadBand}, "governor.dead_band is 100 CPUs, and all that regular containers are allocated is 2 CPUs"},
		"margin":    {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{Peak: 200, Margin: 2 * resources.Unit}, Why: reason.NoSlack}, "the margin keeps back 2 CPUs"},
		"busy":      {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{Peak: 2 * resources.Unit, Margin: 200}, Why: reason.NoSlack}, ""},
		"memory":    {estimator.ResourceOffer{Resource: resources.Mem, Why: reason.NoHost}, "the host's memory cannot be read: impossible"},
		"learning":  {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{InFull: 2000, Peak: 2000, LearningSeconds: 5}, Why: reason.CountedInFull}, ""},
		"outside":   {estimator.ResourceOffer{Resource: resources.Mem, Allocated: allocated, Estimate: &estimator.Estimate{Unmanaged: 1500}, Why: reason.UsedOutside}, "processes outside the agent's containers use 1.5 MB of what regular containers leave"},
		"noop":      {estimator.ResourceOffer{Resource: resources.CPUs, Why: reason.Noop}, ""},
		"fixed":     {estimator.ResourceOffer{Resource: resources.CPUs, Why: reason.Fixed, Target: 4000}, ""},
		"waiting":   {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{}, Governor: &estimator.Terms{HoldSeconds: 90}, Why: reason.Hold}, ""},
	} {
		got, causes := "", explain.Causes(&decision.Record{Host: host}, &tc.offer)
		for _, c := range causes {
			if !c.Expected {
				got = c.Text
				break
			}
		}
		if len(causes) == 0 || got != tc.want {
			t.Errorf("%s: %q, want %q of %+v", name, got, tc.want, causes)
		}
	}
}
