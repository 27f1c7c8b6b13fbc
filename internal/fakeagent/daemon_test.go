package fakeagent

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc/metadata"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// daemon is a stand-in for the daemon: it answers what it is told to and keeps
// the last request.
type daemon struct {
	agentv1.UnimplementedOversubscriptionServer
	kills chan []*wire.QoSCorrection

	mu       sync.Mutex
	estimate string
	fail     error
	usage    *wire.ResourceUsage
	agentIDs []string
	calls    int
	parallel int
}

func (d *daemon) Estimate(ctx context.Context, r *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.usage = r.GetUsage()
	md, _ := metadata.FromIncomingContext(ctx)
	d.agentIDs = append(d.agentIDs, md.Get("estimatord-agent-id")...)
	return &agentv1.EstimateResponse{Resources: d.estimate}, d.fail
}

func (d *daemon) Corrections(ctx context.Context, _ *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
	d.mu.Lock()
	d.parallel++
	if d.parallel > 1 {
		d.mu.Unlock()
		return nil, errors.New("two polls at once")
	}
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.parallel--; d.mu.Unlock() }()
	select {
	case list := <-d.kills:
		return &agentv1.CorrectionsResponse{Corrections: list}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *daemon) set(estimate string, fail error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.estimate, d.fail = estimate, fail
}

func (d *daemon) lastUsage() *wire.ResourceUsage {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usage
}
