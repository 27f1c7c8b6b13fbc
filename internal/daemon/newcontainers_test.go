package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
)

// The directory comes, is removed and comes again: what is made in it wakes each
// time.
func TestNewContainersWake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mesos")
	woken := make(chan struct{}, 100)
	n, err := watchContainers(dir, func() { woken <- struct{}{} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	calm := &decision.Record{}
	n.Observe(calm, nil) // it is not there
	for _, container := range []string{"a", "b"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		n.Observe(calm, nil)
		n.Observe(calm, nil)
		if err := os.Mkdir(filepath.Join(dir, container), 0o700); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
		case <-time.After(time.Minute):
			t.Fatalf("not woken for %s", container)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		// A watch of what was removed ends in its own time.
		for deadline := time.Now().Add(time.Minute); len(n.watcher.WatchList()) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	// An owner has come for more than was known: the next decision is at once.
	for len(woken) > 0 {
		<-woken
	}
	owed := func(amount resources.Milli) *decision.Record {
		return &decision.Record{Offer: estimator.Offer{Resources: []estimator.ResourceOffer{{Resource: "cpus", Allocation: &estimator.AllocationOffer{Owed: amount}}}}}
	}
	for i, amount := range []resources.Milli{0, 1_000, 1_000, 2_000, 500} {
		n.Observe(owed(amount), nil)
		if want := []int{0, 1, 1, 2, 2}[i]; len(woken) != want {
			t.Errorf("woken %d times, want %d", len(woken), want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
