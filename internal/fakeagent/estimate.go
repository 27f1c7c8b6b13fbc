package fakeagent

import (
	"context"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// estimates is the estimator loop: slave.cpp:8585-8651.
func (a *Agent) estimates(ctx context.Context) {
	for ctx.Err() == nil {
		estimate, err := a.estimate(ctx)
		if ctx.Err() != nil {
			return
		}
		a.reached(err)
		a.forward(estimate)
		pause(ctx, a.cfg.EstimateInterval)
	}
}

// estimate asks once. With an error the estimate is empty: the module may not
// pass a failure on, since the agent would then keep the old number alive.
func (a *Agent) estimate(ctx context.Context) (resources.Quantities, error) {
	ctx, cancel := context.WithTimeout(ctx, estimateDeadline)
	defer cancel()
	answer, err := a.daemon.Estimate(ctx, &agentv1.EstimateRequest{Usage: a.usage()})
	if err != nil {
		return nil, err
	}
	return resources.Parse(answer.GetResources())
}

// forward computes the total as the agent does, from what is allocated when
// the answer is there, not when it was asked for.
func (a *Agent) forward(estimate resources.Quantities) {
	a.mu.Lock()
	total := a.allocatedRevocable()
	total.AddAll(estimate)
	total = slices.DeleteFunc(total, func(q resources.Quantity) bool { return q.Amount == 0 })
	changed := a.totalAt.IsZero() || !slices.Equal(total, a.total)
	a.total, a.totalAt = total, time.Now()
	offer := a.offer()
	a.mu.Unlock()
	if changed {
		a.event(Event{Kind: OfferChanged, Offer: offer})
	}
}

// reached notes whether the last call worked, and tells when that changes.
func (a *Agent) reached(err error) {
	a.mu.Lock()
	before := a.lost
	a.lost = err != nil
	a.mu.Unlock()
	switch {
	case err != nil && !before:
		a.cfg.Log.Warn("the daemon does not answer", "socket", a.cfg.Socket, "err", err)
		a.event(Event{Kind: DaemonLost, Text: err.Error()})
	case err == nil && before:
		a.event(Event{Kind: DaemonFound})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
