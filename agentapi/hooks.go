package agentapi

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/estimatord/estimatord/internal/unixsocket"
)

// admit refuses callers of other users, and calls that there is no room for. It
// runs before anything of the call's message is read.
func (s *Server) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	method := methodOf(info.FullMethodName)
	c := unixsocket.PeerOf(ctx)
	if c != nil && (c.UID == 0 || c.UID == s.cfg.AgentUID || c.UID == euid) {
		arriving, err := s.arrivals.begin(ctx, s.groupOf(connOf(ctx), method), s.cfg.ArriveTimeout)
		if err != nil {
			s.counters.problem(s.now(), refusedCall, 1, err)
			s.counters.call(method, codes.ResourceExhausted) // the stats handler does not see it
		}
		return arriving, err
	}
	err := fmt.Errorf("%s may not call: this socket is for root, uid %d and uid %d", c, euid, s.cfg.AgentUID)
	s.counters.problem(s.now(), refusedPeer, 1, err)
	s.counters.call(method, codes.PermissionDenied)
	return nil, status.Error(codes.PermissionDenied, err.Error())
}

// groupOf is the group of a call on c.
func (s *Server) groupOf(c *conn, method string) group {
	if method != "Estimate" && method != "Corrections" {
		return ofHealth
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner.has(c) {
		return ofOwner
	}
	return ofOthers
}

func (s *Server) recoverUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(&err)
	arrived(ctx)
	return next(ctx, req)
}

func (s *Server) recoverStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer s.recovered(&err)
	arrived(ss.Context())
	return next(srv, ss)
}

// recovered turns a panic of a handler into an error of its call: a defect in
// answering one call must not take the node's daemon down.
func (s *Server) recovered(err *error) {
	p := recover()
	if p == nil {
		return
	}
	s.counters.problem(s.now(), panicked, 1, fmt.Errorf("panic: %v", p), "stack", string(debug.Stack()))
	*err = status.Error(codes.Internal, "estimatord failed on this call, see its log")
}

func (s *Server) undecodable(err error) { s.counters.problem(s.now(), badReport, 1, err) }

// unknownMethod answers calls of methods that are not served.
func unknownMethod(_ any, ss grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(ss)
	return status.Errorf(codes.Unimplemented, "no method %q here: estimatord.agent.v1.Oversubscription has Estimate and Corrections", method)
}

type (
	connKey struct{}
	callKey struct{}
)

// connOf is the connection of a call.
func connOf(ctx context.Context) *conn {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c
	}
	return &conn{}
}

// call is one call for the stats handler.
type call struct {
	method string
	// end is told whether the answer could be written.
	end func(error)
}

// onEnd has f called when the answer of the call was written, or could not be;
// false says that nobody will.
func onEnd(ctx context.Context, f func(error)) bool {
	c, ok := ctx.Value(callKey{}).(*call)
	if ok {
		c.end = f
	}
	return ok
}

// statsHandler follows connections and calls.
type statsHandler struct{ s *Server }

// TagConn implements stats.Handler.
func (h *statsHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connKey{}, &conn{caller: unixsocket.PeerOf(ctx)})
}

// HandleConn implements stats.Handler.
func (h *statsHandler) HandleConn(ctx context.Context, e stats.ConnStats) {
	switch e.(type) {
	case *stats.ConnBegin:
		add(&h.s.counters, &h.s.counters.conns, 1)
	case *stats.ConnEnd:
		add(&h.s.counters, &h.s.counters.conns, -1)
		h.s.disconnected(connOf(ctx))
	}
}

func (s *Server) disconnected(c *conn) {
	s.mu.Lock()
	last := s.owner.closed(c)
	id := s.owner.id
	s.mu.Unlock()
	if last {
		s.log.Info("agent disconnected", "agent", id)
	}
}

// TagRPC implements stats.Handler.
func (h *statsHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, callKey{}, &call{method: methodOf(info.FullMethodName)})
}

// HandleRPC implements stats.Handler.
func (h *statsHandler) HandleRPC(ctx context.Context, e stats.RPCStats) {
	end, ok := e.(*stats.End)
	if !ok {
		return
	}
	arrived(ctx).end()
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	h.s.counters.call(c.method, status.Code(end.Error))
	if c.end != nil {
		c.end(end.Error)
	}
}
