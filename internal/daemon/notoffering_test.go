package daemon

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// Whatever keeps a daemon from offering is in the log within the first minute,
// once, with a cause and a cure.
func TestWhatKeepsFromOfferingIsWarnedOf(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		record decision.Record
		why    reason.Code
		want   []string // none: it is meant to be so
	}{
		"no agent":    {decision.Record{}, reason.NoAgent, []string{"no agent has called", "parameter socket"}},
		"stale usage": {decision.Record{UsageAgeSeconds: 60}, reason.StaleUsage, []string{"is 1m0s old", "usage_stale_after"}},
		"no cgroups":  {decision.Record{TreeWhy: snapshot.NoFile}, reason.NoSamples, []string{"no_file", "mesos_cgroups_root"}},
		"no host":     {decision.Record{Host: snapshot.Host{BusyCores: snapshot.Value{Why: snapshot.Malformed}}}, reason.NoHost, []string{"malformed", "proc_root"}},
		"unreadable":  {decision.Record{Containers: decision.ContainerCounts{Regular: 3, Unreadable: 2}}, reason.NoSlack, []string{"2 containers cannot be read", "estimatord_readings_absent"}},
		"counted":     {decision.Record{Containers: decision.ContainerCounts{Regular: 3, Unreadable: 2}}, reason.CountedInFull, []string{"2 containers cannot be read"}},
		"docker":      {decision.Record{Containers: decision.ContainerCounts{Regular: 3, NotOnDisk: 3}}, reason.CountedInFull, []string{"3 containers of the agent have no cgroup", "mesos_cgroups_root"}},
		"outside":     {decision.Record{}, reason.UsedOutside, []string{"processes outside the agent's containers"}},
		"busy":        {decision.Record{Containers: decision.ContainerCounts{Regular: 3}}, reason.NoSlack, nil},
		"noop":        {decision.Record{}, reason.Noop, nil},
		"paused":      {decision.Record{QoS: qos.Decision{Why: reason.Paused}}, reason.Stopped, []string{"paused", "estimatord resume"}},
		"breaker":     {decision.Record{QoS: qos.Decision{Budget: qos.BudgetState{OpenSince: time.Unix(1, 0)}}}, reason.Stopped, []string{"budget is spent", "estimatord budget reset"}},
		"rules":       {decision.Record{QoS: qos.Decision{Rules: []qos.RuleState{{Name: "busy", Active: true}, {Name: "calm"}}}}, reason.Stopped, []string{"active rules: busy", "thresholds"}},
	} {
		t.Run(name, func(t *testing.T) {
			if code := "`" + string(c.why) + "`"; c.want != nil && !strings.Contains(string(page), code) {
				t.Errorf("docs/troubleshooting.md does not have %s", code)
			}
			var log strings.Builder
			n := &notOffering{log: slog.New(slog.NewTextHandler(&log, nil))}
			at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			tick := func(second int, total resources.Milli) {
				r := c.record
				r.At = at.Add(time.Duration(second) * time.Second)
				r.Offer.Resources = []estimator.ResourceOffer{{
					Resource: resources.CPUs, RevocableTotal: total, Why: c.why,
					Allocated: &estimator.Allocated{RegularAllocated: 4000}, Estimate: &estimator.Estimate{Unmanaged: 3000},
				}}
				n.Observe(&r, nil)
			}
			for second := range 20 {
				tick(second, 0)
			}
			if log.Len() > 0 {
				t.Errorf("after 20 s already: %s", log.String())
			}
			for second := range 60 {
				tick(20+second, 0)
			}
			if lines := strings.Count(log.String(), "\n"); c.want == nil && lines > 0 || c.want != nil && lines != 1 {
				t.Errorf("%d lines: %s", lines, log.String())
			}
			for _, want := range append(c.want, "") {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %q: %s", want, log.String())
				}
			}
			tick(90, 1000)
			if got := strings.Contains(log.String(), "offered again"); got != (c.want != nil) {
				t.Errorf("offered again: %s", log.String())
			}
		})
	}
}
