package agentapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/connlimit"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/unixsocket"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	"github.com/estimatord/estimatord/qos"
)

// ErrNotListening says that Serve was called before Listen, or twice.
var ErrNotListening = errors.New("not listening")

var (
	// ErrInUse says that another process serves the socket.
	ErrInUse = unixsocket.ErrInUse
	// ErrSocketPath says that the path cannot be a socket\'s, or that something
	// that is no socket is in its place.
	ErrSocketPath = unixsocket.ErrPath
)

// Server is the agent's side of the daemon. Its methods are for any goroutine.
type Server struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	grpc   *grpc.Server
	health *health.Server
	// counters are what has been seen so far.
	counters counters
	// arrivals are the calls whose message is not decoded yet.
	arrivals arrivals
	// closing is closed when Serve stops; long polls end then.
	closing chan struct{}

	usage atomic.Pointer[snapshot.Usage]
	offer atomic.Pointer[estimator.Offer]

	// mu guards what follows.
	mu     sync.Mutex
	socket *unixsocket.Listener
	owner  owner
	kills  killQueue
	fresh  freshness
	// polls are the Corrections calls that wait.
	polls []*poll
	// changed is closed and replaced when a waiting Corrections call has to
	// look again.
	changed chan struct{}
}

// New makes a Server that does not listen yet. clock is time.Now, except in
// tests.
func New(cfg Config, logger *slog.Logger, clock func() time.Time) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: logger, now: clock,
		health:   health.NewServer(),
		counters: counters{log: logger, calls: map[callLabel]uint64{}},
		closing:  make(chan struct{}),
		changed:  make(chan struct{}),
		owner:    owner{timeout: cfg.OwnerTimeout},
		kills:    killQueue{retryAfter: retryAfter, retryCap: retryCap, validFor: killValidFor},
		fresh:    freshness{every: freshEvery},
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(unixsocket.Credentials{ProcRoot: cfg.ProcRoot}),
		grpc.InTapHandle(s.admit),
		grpc.StatsHandler(&statsHandler{s}),
		grpc.UnaryInterceptor(s.recoverUnary),
		grpc.StreamInterceptor(s.recoverStream),
		grpc.UnknownServiceHandler(unknownMethod),
		grpc.ForceServerCodecV2(newCodec(s.undecodable)),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(cfg.HandshakeTimeout),
		// The default allows a ping every 5 minutes and hangs up on clients
		// that ask more often.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveAfter, Timeout: pingTimeout}),
		grpc.WaitForHandlers(true),
	)
	agentv1.RegisterOversubscriptionServer(s.grpc, &service{s: s})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.SetServing(false)
	return s, nil
}

// Listen binds the socket. ErrInUse says that another instance serves it.
func (s *Server) Listen() error {
	l, err := unixsocket.Listen(s.cfg.Socket, s.cfg.AgentUID)
	if err != nil {
		return err
	}
	go l.Watch(s.log)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = l
	return nil
}

// Serve answers until ctx ends, then lets calls finish for Config.DrainFor and
// removes the socket. It is called once, after Listen.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	l := s.socket
	s.socket = nil
	s.mu.Unlock()
	if l == nil {
		return ErrNotListening
	}
	served := make(chan error, 1)
	go func() {
		served <- cmp.Or(s.grpc.Serve(&connlimit.Listener{Listener: l, Most: s.cfg.MaxConnections}), grpc.ErrServerStopped)
	}()
	var stopped error
	select {
	case err := <-served:
		stopped = fmt.Errorf("agent API stopped: %w", err)
	case <-ctx.Done():
	}
	close(s.closing)
	s.health.Shutdown()
	remains := l.Remove() // before the listener closes
	// One that goes on for ever (a health watch, a stuck client) is cut.
	cut := time.AfterFunc(s.cfg.DrainFor, s.grpc.Stop)
	defer cut.Stop()
	s.grpc.GracefulStop()
	switch {
	case stopped != nil:
		return stopped
	case remains != nil:
		return fmt.Errorf("remove the socket: %w", remains)
	}
	return nil
}

// SetServing says whether ticks are fresh, as gRPC health shows it.
func (s *Server) SetServing(ok bool) {
	st := healthv1.HealthCheckResponse_NOT_SERVING
	if ok {
		st = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", st)
	s.health.SetServingStatus(agentv1.Oversubscription_ServiceDesc.ServiceName, st)
}

// Usage is the last report that was accepted, nil before the first.
func (s *Server) Usage() *snapshot.Usage { return s.usage.Load() }

// Publish sets what Estimate answers from.
func (s *Server) Publish(o estimator.Offer) { s.offer.Store(&o) }

// Kill queues v to be handed over with the next answer to Corrections. Asking
// for the same container again does nothing. A Victim that was not made by
// qos.NewVictim is refused with ErrVictim.
func (s *Server) Kill(v qos.Victim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var w Warning
	if s.cfg.Warning != nil {
		w = s.cfg.Warning()
	}
	var warned time.Time
	if w.Warn != nil {
		w.For = max(0, min(w.For, maxWarn))
		warned = now.Add(w.For)
	}
	isNew, err := s.kills.add(v, now, warned)
	if isNew {
		s.wake() // also to wait no longer than for the warning
		if w.Warn != nil {
			go s.warnOf(v, w)
		}
	}
	return err
}

// warnOf has v warned, and then lets its kill be handed over. Whatever the
// warning does, the kill is due after w.For.
func (s *Server) warnOf(v qos.Victim, w Warning) {
	ctx, cancel := context.WithTimeout(context.Background(), w.For)
	defer cancel()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kills.release(v.Key())
		s.wake()
	}()
	var err error
	defer s.recovered(&err) // which says so
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	w.Warn(ctx, v)
}

// Dying are the kills that an agent was told of and whose containers are not
// gone, in the order of decision.
func (s *Server) Dying() []qos.Victim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kills.dying()
}

// InFlight are the kills that were decided and whose containers are not gone,
// in the order of decision.
func (s *Server) InFlight() []qos.InFlight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kills.inFlight()
}

// Observe compares the kills in flight and the agent's report with what is on
// disk; it is to be called at every tick.
func (s *Server) Observe(snap *snapshot.Snapshot) {
	s.mu.Lock()
	ended := s.kills.observe(snap)
	if s.fresh.observe(snap, s.usage.Load()) {
		s.wake()
	}
	s.mu.Unlock()
	s.logEnded(ended, snap.At)
}

func (s *Server) logEnded(ended []outcome, now time.Time) {
	for _, e := range ended {
		s.log.Info("kill ended", "container", e.kill.victim.Key().ID, "why", e.why,
			"handed_over", e.kill.handovers, "after", now.Sub(e.kill.since))
	}
}

// wake makes waiting Corrections calls look again. s.mu is locked.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
