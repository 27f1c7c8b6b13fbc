package agentapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/unixsocket"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// AgentIDHeader is the gRPC metadata key by which a client names its agent.
const AgentIDHeader = "estimatord-agent-id"

// maxAgentID bounds the name of an agent; a UUID has 36 bytes.
const maxAgentID = 128

// service is the gRPC face of a Server.
type service struct {
	agentv1.UnimplementedOversubscriptionServer
	s *Server
}

// Estimate implements agentv1.OversubscriptionServer.
func (v *service) Estimate(ctx context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
	s := v.s
	report, err := s.accept(ctx, req.GetUsage())
	if err != nil {
		return nil, err
	}
	defer s.leave(report.Agent)
	offer := s.offer.Load()
	if offer == nil {
		return &agentv1.EstimateResponse{}, nil
	}
	answer, refused := offerable(s.cfg.Answer(*offer, report, s.now()))
	if len(refused) > 0 {
		s.counters.problem(s.now(), unreadableOffer, 1, fmt.Errorf("unreadable resources %q", refused))
	}
	return &agentv1.EstimateResponse{Resources: answer.String()}, nil
}

// offerable is what of q the agent can read back, in order and above zero.
// Anything else in the text would make it drop the whole answer.
func offerable(q resources.Quantities) (out resources.Quantities, refused []string) {
	for _, e := range q {
		switch _, fits := resources.FromWire(e.Amount.Float()); {
		case e.Amount <= 0:
		case !fits || !readableName(e.Name):
			refused = append(refused, e.Name)
		default:
			out.Set(e.Name, e.Amount)
		}
	}
	return out, refused
}

// readableName: the characters that resource names are made of; the text form
// gives a meaning to colons, semicolons, brackets, commas and spaces
// (src/common/resources.cpp, Resources::fromSimpleString).
func readableName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r > '~' || !strings.ContainsRune("_-./", r) &&
			(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// accept takes a report in: from then on Usage is what it says. After a nil
// error, leave is to be called.
func (s *Server) accept(ctx context.Context, m *wire.ResourceUsage) (*snapshot.Usage, error) {
	defer arrived(ctx).end()
	now := s.now()
	c := connOf(ctx)
	id, err := agentID(ctx, c.caller)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, s.unusable(id, errors.New("the request has no usage (field 1)"))
	}
	d, err := usageOf(m, id, now)
	if err != nil {
		return nil, s.unusable(id, err)
	}

	asked := false
	s.mu.Lock()
	in, err := s.owner.enter(id, c, now)
	if err == nil {
		// Two calls may overlap: the one received later has the newer report.
		if last := s.usage.Load(); in.took || last == nil || !d.usage.At.Before(last.At) {
			s.usage.Store(d.usage)
			s.wake() // a waiting call's own report may be outdated now
		}
		asked = s.fresh.received()
	}
	s.mu.Unlock()
	if asked && s.cfg.Fresh != nil {
		s.cfg.Fresh()
	}

	if err != nil {
		s.counters.problem(now, refusedAgent, 1, err)
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	if in.took {
		add(&s.counters, &s.counters.takeovers, 1)
		s.log.Info("agent reports its usage", "agent", id, "caller", c.caller.String(), "instead_of", in.from, "executors", len(d.usage.Executors))
	}
	if d.dropped != nil {
		s.counters.problem(now, droppedExecutors, d.usage.Dropped, d.dropped, "agent", id, "count", d.usage.Dropped)
	}
	return d.usage, nil
}

func (s *Server) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner.leave(id, s.now())
}

// unusable refuses a report; the last good one grows older meanwhile.
func (s *Server) unusable(id string, err error) error {
	s.counters.problem(s.now(), badReport, 1, err, "agent", id)
	return status.Error(codes.InvalidArgument, err.Error())
}

// agentID is who calls: what it calls itself, or else its process.
func agentID(ctx context.Context, c *unixsocket.Peer) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch ids := md.Get(AgentIDHeader); {
	case len(ids) == 0 && c == nil:
		return "", status.Error(codes.Internal, "the caller's process is not known")
	case len(ids) == 0:
		return c.Process, nil
	case len(ids) > 1 || ids[0] == "" || len(ids[0]) > maxAgentID ||
		strings.ContainsFunc(ids[0], func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", status.Errorf(codes.InvalidArgument, "%s must be one value of 1 to %d printable ASCII characters", AgentIDHeader, maxAgentID)
	default:
		return ids[0], nil
	}
}
