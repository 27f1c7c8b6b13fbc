package decision

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
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
	r := New(s, estimator.Offer{At: at}, qos.Decision{Acted: true}, 2)
	want := &Record{
		Seq: 9, At: at, Offer: estimator.Offer{At: at}, QoS: qos.Decision{Acted: true}, Agent: "a", UsageAge: 3 * time.Second,
		Containers: ContainerCounts{Regular: 3, Revocable: 1, Shared: 1, UnknownToAgent: 1, NotOnDisk: 1, Unreadable: 1},
		InFlight:   2, TreeWhy: snapshot.Present, HostWhy: snapshot.FirstSample,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
