package decision

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

func TestRecordCountsTopLevelContainersByClass(t *testing.T) {
	executor := func(c snapshot.Class) *snapshot.Executor { return &snapshot.Executor{Class: c} }
	readable := snapshot.CPU{UsageNanos: snapshot.CountOf(1)}
	at := time.Unix(100, 0)
	s := &snapshot.Snapshot{
		Seq: 9, At: at, TreeWhy: snapshot.Present,
		Host:  snapshot.Host{BusyCores: snapshot.Value{Why: snapshot.FirstSample}},
		Usage: &snapshot.Usage{Agent: "a", At: at.Add(-3 * time.Second)},
		Containers: []snapshot.Container{
			{Key: snapshot.Key{ID: "regular"}, OnDisk: true, Executor: executor(snapshot.ClassRegular), CPU: readable},
			{Key: snapshot.Key{ID: "nested"}, Parent: "regular", OnDisk: true, CPU: readable},
			{Key: snapshot.Key{ID: "blind"}, OnDisk: true, Executor: executor(snapshot.ClassRegular)},
			{Key: snapshot.Key{ID: "revocable"}, OnDisk: true, Executor: executor(snapshot.ClassRevocable), CPU: readable},
			{Key: snapshot.Key{ID: "shared"}, OnDisk: true, Executor: executor(snapshot.ClassShared), CPU: readable},
			{Key: snapshot.Key{ID: "docker"}, Executor: executor(snapshot.ClassRegular)},
			{Key: snapshot.Key{ID: "stray"}, OnDisk: true, CPU: readable},
		},
	}
	var m Maker
	r := m.Make(&Tick{Input: qos.Input{Snapshot: s}, Offer: estimator.Offer{At: at}, Decision: qos.Decision{Acted: true}, InFlight: 2})
	want := &Record{
		Version: Version, Seq: 9, At: at.UTC(), PolicyHash: "none", Loads: 1, Offer: estimator.Offer{At: at}, QoS: qos.Decision{Acted: true},
		Reported: true, Agent: "a", UsageAgeSeconds: 3, TreeWhy: snapshot.Present, Host: s.Host,
		Containers: ContainerCounts{Regular: 3, Revocable: 1, Shared: 1, UnknownToAgent: 1, NotOnDisk: 1, Unreadable: 1}, InFlight: 2,
	}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreUnexported(Record{}, estimator.Offer{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if r.UsageAge() != 3*time.Second {
		t.Errorf("the report is %s old", r.UsageAge())
	}
}

// Times in a record are by the calendar of its tick, as far before it as they
// were by a clock that was not set in between.
func TestRecordDatesByTheCalendarOfItsTick(t *testing.T) {
	at, wall := time.Unix(1000, 0), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := at.Add(-90 * time.Second)
	d := qos.Decision{
		LastGone: before, Budget: qos.BudgetState{OpenSince: before}, Rules: []qos.RuleState{{Since: before}}, Ladders: []qos.LadderState{{Since: before}},
		Shadow: &qos.ShadowDecision{Decision: qos.Decision{Rules: []qos.RuleState{{Since: before}}}},
	}
	in := qos.Input{Snapshot: &snapshot.Snapshot{At: at, Host: snapshot.Host{At: before}}, InFlight: []qos.InFlight{{Since: before}}}
	p := policy.DefaultPolicy()
	var m Maker
	r := m.Make(&Tick{Policy: &p, Input: in, Decision: d, Wall: wall})
	want := wall.Add(-90 * time.Second)
	for name, got := range map[string]time.Time{
		"last gone": r.QoS.LastGone, "breaker": r.QoS.Budget.OpenSince, "rule": r.QoS.Rules[0].Since, "ladder": r.QoS.Ladders[0].Since,
		"shadow": r.QoS.Shadow.Rules[0].Since, "host": r.Host.At, "kill": r.Dying[0].Since,
	} {
		if !got.Equal(want) {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
}

// Throttles are in the log when they are not what they were, and always in the
// record.
func TestThrottlesAreLoggedWhenTheyChange(t *testing.T) {
	p := policy.DefaultPolicy()
	var m Maker
	var logged []int
	for _, cores := range []float64{1, 1, 0.5, 0.5} {
		d := qos.Decision{Actions: qos.Actions{Throttles: []qos.Throttle{{Cores: cores}}}}
		r := m.Make(&Tick{Policy: &p, Input: qos.Input{Snapshot: &snapshot.Snapshot{}}, Decision: d})
		if r.Throttled != 1 || len(r.QoS.Actions.Throttles) != 1 || len(r.ThrottleUsesCores) != 1 {
			t.Errorf("record %+v", r)
		}
		logged = append(logged, len(r.Trim().QoS.Actions.Throttles))
	}
	if !slices.Equal(logged, []int{1, 0, 1, 0}) {
		t.Errorf("logged %v, want the first and the change", logged)
	}
}
