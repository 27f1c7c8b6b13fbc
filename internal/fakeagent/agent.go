package fakeagent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// ErrClosed is what Launch returns after Close.
var ErrClosed = errors.New("agent is closed")

// Defaults of a real agent and its module.
const (
	// DefaultEstimateInterval is --oversubscribed_resources_interval
	// (src/slave/flags.cpp:1620).
	DefaultEstimateInterval = 15 * time.Second
	// estimateDeadline: an Estimate is answered from the last tick, at once.
	estimateDeadline = 5 * time.Second
	// correctionsDeadline: a long poll returns within 10 s by contract.
	correctionsDeadline = 30 * time.Second
	// retryAfter is how long the module waits before it reports a failed
	// Corrections call: the agent asks again at once (flags.cpp:1612).
	retryAfter = time.Second
	// agentIDHeader names the agent to the daemon.
	agentIDHeader = "estimatord-agent-id"
)

// Config is what an Agent is made of.
type Config struct {
	// Socket is the daemon's.
	Socket string
	// Purpose is a word of the cgroup root's name, "agent" if empty.
	Purpose string
	// Below is the cgroup that the root is made in, as for tree.CreateBelow.
	Below string
	// Total is what the agent has; DetectTotal if nil.
	Total resources.Quantities
	// Reserved are the static reservations, by role: a part of Total.
	Reserved map[string]resources.Quantities
	// EqualWeights: containers get their CPU weight whether they are revocable or
	// not, as with --no-revocable_cpu_low_priority, or in Docker.
	EqualWeights bool
	// PlainKill: a preempted container dies as under a real agent, with no more CPU
	// given to it. The daemon does that.
	PlainKill bool
	// EstimateInterval is the time between two Estimate calls,
	// DefaultEstimateInterval if 0.
	EstimateInterval time.Duration
	// Observe is told of every event, one at a time, in order; it must not
	// call the Agent back. May be nil.
	Observe func(Event)
	// Log gets warnings and errors; required.
	Log *slog.Logger
}

// Agent is an embedded agent. It is safe for concurrent use.
type Agent struct {
	cfg         Config
	id          string
	frameworkID string
	tree        *tree.Tree
	conn        *grpc.ClientConn
	daemon      agentv1.OversubscriptionClient
	running     sync.WaitGroup // executors not yet ended

	mu        sync.Mutex
	executors []*executor // in the order of launch
	total     resources.Quantities
	totalAt   time.Time
	closed    bool
	lost      bool

	observing sync.Mutex
}

// New makes an Agent with its cgroup root, which is empty. It fails with
// tree.ErrNoPlace where this process may not make cgroups. Close it in any
// case.
func New(cfg Config) (*Agent, error) {
	if cfg.Purpose == "" {
		cfg.Purpose = "agent"
	}
	if cfg.EstimateInterval <= 0 {
		cfg.EstimateInterval = DefaultEstimateInterval
	}
	if cfg.Total == nil {
		total, err := DetectTotal()
		if err != nil {
			return nil, err
		}
		cfg.Total = total
	}
	conn, err := grpc.NewClient("unix:"+cfg.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// A daemon that was restarted is to be found within a second.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Socket, err)
	}
	root, err := tree.CreateBelow(cfg.Below, cfg.Purpose)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	id := newUUID()
	return &Agent{
		cfg: cfg, id: id, frameworkID: newUUID() + "-0000", tree: root,
		conn: conn, daemon: agentv1.NewOversubscriptionClient(conn),
	}, nil
}

// ID is the agent's id.
func (a *Agent) ID() string { return a.id }

// Tree is where the containers are.
func (a *Agent) Tree() *tree.Tree { return a.tree }

// Run asks the daemon for estimates and corrections until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	ctx = metadata.AppendToOutgoingContext(ctx, agentIDHeader, a.id)
	var loops sync.WaitGroup
	loops.Go(func() { a.estimates(ctx) })
	loops.Go(func() { a.corrections(ctx) })
	loops.Wait()
}

// Offer is what is there to be launched on as revocable.
func (a *Agent) Offer() Offer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offer()
}

// offer is Offer for a caller that has the lock.
func (a *Agent) offer() Offer {
	return Offer{At: a.totalAt, Total: a.total.Clone(), Allocated: a.allocatedRevocable()}
}

func (a *Agent) allocatedRevocable() resources.Quantities {
	var sum resources.Quantities
	for _, e := range a.executors {
		sum.AddAll(e.task.Revocable)
	}
	return sum
}

// Close kills all tasks, waits for their end, and removes the cgroups.
func (a *Agent) Close() error {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	var destroys []func() error
	for _, e := range a.executors {
		if e.destroy != nil {
			destroys = append(destroys, e.destroy)
		}
	}
	a.mu.Unlock()
	if closed {
		return nil
	}
	var destroying sync.WaitGroup
	for _, destroy := range destroys {
		destroying.Go(func() { _ = destroy() }) // await reports a failure
	}
	destroying.Wait()
	a.running.Wait()
	return errors.Join(a.tree.Close(), a.conn.Close())
}

func (a *Agent) event(e Event) {
	a.observing.Lock()
	defer a.observing.Unlock()
	e.At = time.Now()
	if a.cfg.Observe != nil {
		a.cfg.Observe(e)
	}
}
