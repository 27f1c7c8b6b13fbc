package tick

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// timed is a Sampler that remembers when it was asked.
type timed struct {
	*node
	began time.Time
	at    []time.Duration
}

func (s *timed) Sample(now time.Time, usage *snapshot.Usage) *snapshot.Snapshot {
	s.at = append(s.at, now.Sub(s.began))
	return s.node.Sample(now, usage)
}

// A wake just after a tick, or just before the next one, waits until a rate can
// be taken.
func TestRunKeepsTicksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		s := &timed{node: n, began: time.Now()}
		wake := make(chan struct{}, 1)
		l := New(Config{Sampler: s, Agent: n, Estimator: estimator.NewNoop(), Wake: wake, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx, time.Second) }()
		time.Sleep(time.Second + time.Millisecond)
		wake <- struct{}{} // 1 ms after a tick
		time.Sleep(997 * time.Millisecond)
		wake <- struct{}{} // 2 ms before one
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		want := []time.Duration{0, time.Second, time.Second + leastGap, 1998 * time.Millisecond, 1998*time.Millisecond + leastGap}
		if !slices.Equal(s.at, want) {
			t.Errorf("ticks at %v, want %v", s.at, want)
		}
	})
}
