package daemon

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
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
		"no agent":    {decision.Record{}, reason.NoAgent, []string{"no agent has called", "/run/estimatord/agent.sock"}},
		"stale usage": {decision.Record{UsageAgeSeconds: 60}, reason.StaleUsage, []string{"is 1m0s old", "usage_stale_after"}},
		"no cgroups":  {decision.Record{TreeWhy: snapshot.NoFile}, reason.NoSamples, []string{"no_file", "mesos_cgroups_root (mesos)"}},
		"no host":     {decision.Record{Host: snapshot.Host{BusyCores: snapshot.Value{Why: snapshot.Malformed}}}, reason.NoHost, []string{"malformed", "proc_root (/proc)"}},
		"unreadable":  {decision.Record{Containers: decision.ContainerCounts{Regular: 3, Unreadable: 2}}, reason.NoSlack, []string{"2 containers cannot be read", "estimatord_readings_absent"}},
		"counted":     {decision.Record{Containers: decision.ContainerCounts{Regular: 3, Unreadable: 2}}, reason.CountedInFull, []string{"2 containers cannot be read"}},
		"docker":      {decision.Record{Containers: decision.ContainerCounts{Regular: 3, NotOnDisk: 3}}, reason.CountedInFull, []string{"3 containers of the agent have no cgroup", "mesos_cgroups_root (mesos)"}},
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
			cfg := config.Default()
			n := &notOffering{cfg: &cfg, log: slog.New(slog.NewTextHandler(&log, nil))}
			at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			tick := func(second int, total resources.Milli) {
				r := c.record
				r.At = at.Add(time.Duration(second) * time.Second)
				r.Offer.Resources = []estimator.ResourceOffer{{Resource: resources.CPUs, RevocableTotal: total, Why: c.why}}
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

// What a setting or a reading of one resource keeps from being offered is said of
// that setting and that reading.
func TestCauseIsOfTheResource(t *testing.T) {
	cfg := config.Default()
	cfg.Governor.DeadBand = resources.Quantities{{Name: resources.CPUs, Amount: 100 * resources.Unit}}
	n := &notOffering{cfg: &cfg}
	allocated := &estimator.Allocated{RegularAllocated: 2 * resources.Unit}
	host := snapshot.Host{
		BusyCores: snapshot.ValueOf(1), UsableCPUs: snapshot.ValueOf(4),
		UsableMemBytes: snapshot.CountOf(1 << 30), UsableMemAvailableBytes: snapshot.Count{Why: snapshot.Impossible},
	}
	for name, tc := range map[string]struct {
		offer estimator.ResourceOffer
		want  string
	}{
		"dead band": {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Governor: &estimator.Terms{}, Why: reason.DeadBand}, "governor.dead_band is 100, and all that regular containers are allocated is 2"},
		"margin":    {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{Peak: 200, Margin: 2 * resources.Unit}, Why: reason.NoSlack}, "the margin keeps back all that regular containers leave"},
		"busy":      {estimator.ResourceOffer{Resource: resources.CPUs, Allocated: allocated, Estimate: &estimator.Estimate{Peak: 2 * resources.Unit, Margin: 200}, Why: reason.NoSlack}, ""},
		"memory":    {estimator.ResourceOffer{Resource: resources.Mem, Why: reason.NoHost}, "the host's memory cannot be read: impossible"},
	} {
		if cause, _ := n.explain(&tc.offer, &decision.Record{Host: host}); cause != tc.want {
			t.Errorf("%s: %q, want %q", name, cause, tc.want)
		}
	}
}
