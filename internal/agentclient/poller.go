package agentclient

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// pollEvery is how often an agent is asked: frameworks come and go slowly, and
	// it collects the statistics of all its containers for an answer.
	pollEvery = 15 * time.Second
	// staleAfter is the age from which an answer is absent.
	staleAfter = time.Minute
)

var (
	errNotYet = errors.New("the agent was not asked yet")
	errStale  = errors.New("the agent's last answer is too old")
)

// Poller asks an agent from time to time. Last is for any goroutine and never
// waits.
type Poller struct {
	client *Client
	log    *slog.Logger
	last   atomic.Pointer[polled]
}

// polled is the outcome of one round.
type polled struct {
	state *State
	err   error
}

// NewPoller makes a Poller that has not asked yet.
func NewPoller(c *Client, log *slog.Logger) *Poller { return &Poller{client: c, log: log} }

// Run asks until ctx ends.
func (p *Poller) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		p.ask(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ask asks once. The log has what changes.
func (p *Poller) ask(ctx context.Context) {
	s, err := p.client.Read(ctx)
	if ctx.Err() != nil {
		return
	}
	before := p.last.Swap(&polled{s, err})
	switch failed := before != nil && before.err != nil; {
	case err != nil && !failed:
		p.log.Warn("the agent's API cannot be read, the daemon goes on without", "err", err)
	case err == nil && (before == nil || failed):
		p.log.Info("the agent's API is read", "agent_version", s.Version, "frameworks", len(s.Frameworks), "containers", len(s.Containers), "dropped", s.Dropped)
	}
}

// Last is the last answer, or why there is none that is fresh.
func (p *Poller) Last() (*State, error) {
	last := p.last.Load()
	switch {
	case last == nil:
		return nil, errNotYet
	case last.err != nil:
		return nil, last.err
	case time.Since(last.state.At) > staleAfter:
		return nil, errStale
	}
	return last.state, nil
}
