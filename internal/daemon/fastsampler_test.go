package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
)

// The fast sampler looks at the node it runs on, follows what the loop saw, and
// ends with its context.
func TestFastSamplerLooksUntilItIsTold(t *testing.T) {
	mon, err := monitor.New(monitor.Config{})
	if err != nil {
		t.Skipf("no cgroups to look at here: %v", err)
	}
	defer func() { _ = mon.Close() }()
	woken := false
	f := newFastSampler(mon.NewFastSampler(0), func() { woken = true })
	defer f.fast.Close()
	f.Observe(nil, &snapshot.Snapshot{At: time.Now(), TreeWhy: snapshot.Present})

	ctx, cancel := context.WithTimeout(t.Context(), 5*monitor.FastEvery)
	defer cancel()
	if err := f.run(ctx); err != nil {
		t.Fatal(err)
	}
	if woken {
		t.Error("it woke the loop, though there is no regular container")
	}
}
