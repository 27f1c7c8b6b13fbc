package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/policyfile"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/internal/unixsocket"
	operatorv1 "github.com/estimatord/estimatord/proto/estimatord/operator/v1"
	"github.com/estimatord/estimatord/qos"
)

// DefaultSocket is where the socket is when nothing else is set.
const DefaultSocket = "/run/estimatord/operator.sock"

// ErrNotListening says that Serve was called before Listen, or twice.
var ErrNotListening = errors.New("not listening")

// Config is what a Server is made of. All fields are required.
type Config struct {
	Socket, ProcRoot string
	// Version and Mode are shown as they are.
	Version, Mode string
	Sources       Sources
	Pending       *Pending
	Log           *slog.Logger
	// Now is time.Now, except in tests.
	Now func() time.Time
}

// Sources are where what Status says comes from. All are for any goroutine.
type Sources struct {
	// Last is the newest record, nil before the first tick.
	Last func() *decision.Record
	// Policy is how it stands with the policy file.
	Policy func() policyfile.Status
	// InFlight are the kills decided and not confirmed.
	InFlight func() []qos.InFlight
	// Throttles is what was written to control files.
	Throttles func() throttle.Report
}

// Server answers operators.
type Server struct {
	cfg     Config
	started time.Time
	uid     uint32
	grpc    *grpc.Server
	socket  *unixsocket.Listener
}

const (
	// maxMessageBytes bounds a request; all of them are empty.
	maxMessageBytes = 4 << 10
	maxHeaderBytes  = 16 << 10
	// maxStreams per connection: commands make one call each.
	maxStreams       = 16
	handshakeTimeout = 5 * time.Second
	// drainFor is how long calls may go on when the daemon stops.
	drainFor = time.Second
)

// New makes a Server that does not listen yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, started: cfg.Now(), uid: uint32(os.Geteuid())}
	s.grpc = grpc.NewServer(
		grpc.Creds(unixsocket.Credentials{ProcRoot: cfg.ProcRoot}),
		grpc.InTapHandle(s.admit),
		grpc.UnaryInterceptor(s.recover),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.WaitForHandlers(true),
	)
	operatorv1.RegisterOperatorServer(s.grpc, &service{s: s})
	return s
}

// Listen binds the socket. unixsocket.ErrInUse says that another instance
// serves it.
func (s *Server) Listen() (err error) {
	s.socket, err = unixsocket.Listen(s.cfg.Socket, s.uid)
	return err
}

// Serve answers until ctx ends, and removes the socket. It is called once,
// after Listen.
func (s *Server) Serve(ctx context.Context) error {
	l := s.socket
	s.socket = nil
	if l == nil {
		return ErrNotListening
	}
	stopped, remains := l.Serve(ctx, unixsocket.Serving{Server: s.grpc, DrainFor: drainFor})
	switch {
	case stopped != nil:
		return fmt.Errorf("operator's socket: %w", stopped)
	case remains != nil:
		return fmt.Errorf("remove the operator's socket: %w", remains)
	}
	return nil
}

// admit refuses other users before anything of their call is read.
func (s *Server) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	p := unixsocket.PeerOf(ctx)
	if p != nil && (p.UID == 0 || p.UID == s.uid) {
		return ctx, nil
	}
	s.cfg.Log.Warn("an operator's call was refused", "method", info.FullMethodName, "by", p.String())
	return nil, status.Errorf(codes.PermissionDenied, "%s may not call: this socket is for root and uid %d", p, s.uid)
}

// recover turns a panic into an error of its call: a defect in answering must
// not take the node's daemon down.
func (s *Server) recover(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("an operator's call panicked, this is a defect", "err", p, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "estimatord failed on this call, see its log")
		}
	}()
	return next(ctx, req)
}

// service implements the calls.
type service struct {
	operatorv1.UnimplementedOperatorServer
	s *Server
}

// Status implements operatorv1.OperatorServer.
func (v *service) Status(context.Context, *operatorv1.StatusRequest) (*operatorv1.StatusResponse, error) {
	return v.s.status(), nil
}

// ResetBudget implements operatorv1.OperatorServer.
func (v *service) ResetBudget(ctx context.Context, _ *operatorv1.ResetBudgetRequest) (*operatorv1.ResetBudgetResponse, error) {
	resp := &operatorv1.ResetBudgetResponse{}
	if r := v.s.cfg.Sources.Last(); r != nil {
		resp.Forgotten, resp.BreakerWasOpen = count(r.QoS.Budget.Used), r.QoS.Budget.Open
	}
	v.s.cfg.Pending.resetBudget()
	v.s.say(ctx, "the kill budget is reset", "forgotten", resp.GetForgotten(), "breaker_was_open", resp.GetBreakerWasOpen())
	return resp, nil
}

// Pause implements operatorv1.OperatorServer.
func (v *service) Pause(ctx context.Context, _ *operatorv1.PauseRequest) (*operatorv1.PauseResponse, error) {
	was := v.s.cfg.Pending.pause(v.s.cfg.Now())
	v.s.say(ctx, "paused: nothing is offered and nothing is taken until resume or a restart", "was_paused", was)
	return &operatorv1.PauseResponse{WasPaused: was}, nil
}

// Resume implements operatorv1.OperatorServer.
func (v *service) Resume(ctx context.Context, _ *operatorv1.ResumeRequest) (*operatorv1.ResumeResponse, error) {
	was := v.s.cfg.Pending.resume()
	v.s.say(ctx, "resumed", "was_paused", was)
	return &operatorv1.ResumeResponse{WasPaused: was}, nil
}

// say logs an order with who gave it.
func (s *Server) say(ctx context.Context, what string, attrs ...any) {
	s.cfg.Log.With(attrs...).Warn("operator", "order", what, "by", unixsocket.PeerOf(ctx).String())
}
