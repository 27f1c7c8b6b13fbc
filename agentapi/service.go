package agentapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
	"github.com/estimatord/estimatord/resources"
	"github.com/estimatord/estimatord/snapshot"
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
		s.warn.Warn(warnOffer, "resources left out of the offer: the agent could not read them", "names", refused)
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

	s.mu.Lock()
	in, err := s.owner.enter(id, c, now)
	if err == nil {
		// Two calls may overlap: the one that came in later has the newer report.
		if last := s.usage.Load(); in.took || last == nil || !d.usage.At.Before(last.At) {
			s.usage.Store(d.usage)
		}
		s.fresh.came()
	}
	s.mu.Unlock()

	if err != nil {
		s.tally.refusedAgent(now, err)
		s.warn.Warn(warnAgent, "a second agent was refused", "err", err)
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	if in.took {
		s.tally.took()
		s.log.Info("agent reports its usage", "agent", id, "caller", c.caller.String(), "instead_of", in.from, "executors", len(d.usage.Executors))
	}
	if len(d.dropped) > 0 {
		s.tally.dropped(now, d.dropped)
		s.warn.Warn(warnExecutor, "executors left out of the agent's report", "agent", id, "count", len(d.dropped), "first", d.dropped[0])
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
	s.tally.badReport(s.now(), err)
	s.warn.Warn(warnReport, "the agent's report was refused", "agent", id, "err", err)
	return status.Error(codes.InvalidArgument, err.Error())
}

// agentID is who calls: what it calls itself, or else its process.
func agentID(ctx context.Context, c *caller) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch ids := md.Get(AgentIDHeader); {
	case len(ids) == 0 && c == nil:
		return "", status.Error(codes.Internal, "the caller's process is not known")
	case len(ids) == 0:
		return c.process, nil
	case len(ids) > 1 || ids[0] == "" || len(ids[0]) > maxAgentID ||
		strings.ContainsFunc(ids[0], func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", status.Errorf(codes.InvalidArgument, "%s must be one value of 1 to %d printable ASCII characters", AgentIDHeader, maxAgentID)
	default:
		return ids[0], nil
	}
}

// Corrections implements agentv1.OversubscriptionServer.
func (v *service) Corrections(ctx context.Context, req *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
	s := v.s
	report, err := s.accept(ctx, req.GetUsage())
	if err != nil {
		return nil, err
	}
	defer s.leave(report.Agent)
	batch, err := s.poll(ctx, report)
	if err != nil {
		return nil, err
	}
	if len(batch) == 0 {
		return &agentv1.CorrectionsResponse{}, nil
	}
	if !onEnd(ctx, func(err error) { s.answered(batch, err) }) {
		s.answered(batch, nil)
	}
	return correctionsOf(batch), nil
}

// answered settles a batch once its answer was written, or could not be.
func (s *Server) answered(batch []*kill, err error) {
	now := s.now()
	s.mu.Lock()
	if err != nil {
		s.kills.unsent(batch)
		s.wake()
	} else {
		s.kills.sent(batch, now)
	}
	s.mu.Unlock()
	for _, k := range batch {
		attrs := []any{
			"container", k.victim.Key().ID, "framework", k.victim.FrameworkID(), "executor", k.victim.ExecutorID(),
			"rule", k.victim.Cause().Rule, "after", now.Sub(k.since),
		}
		if err != nil {
			s.log.Warn("kill not handed over, it stays queued", append(attrs, "err", err)...)
			continue
		}
		s.log.Info("kill handed over", attrs...)
	}
}

// correctionsOf is the answer that kills a batch. All three ids are sent: the
// container id is the agent's only protection against a reused executor id
// (slave.cpp:9563).
func correctionsOf(batch []*kill) *agentv1.CorrectionsResponse {
	out := &agentv1.CorrectionsResponse{Corrections: make([]*wire.QoSCorrection, 0, len(batch))}
	for _, k := range batch {
		framework, executor, container := k.victim.FrameworkID(), k.victim.ExecutorID(), k.victim.Key().ID
		out.Corrections = append(out.Corrections, &wire.QoSCorrection{
			Type: wire.QoSCorrection_KILL.Enum(),
			Kill: &wire.QoSCorrection_Kill{
				FrameworkId: &wire.FrameworkID{Value: &framework},
				ExecutorId:  &wire.ExecutorID{Value: &executor},
				ContainerId: &wire.ContainerID{Value: &container},
			},
		})
	}
	return out
}

// poll waits until there is something to hand over or another reason to
// answer.
func (s *Server) poll(ctx context.Context, report *snapshot.Usage) ([]*kill, error) {
	p, err := s.enterPoll(report)
	if err != nil {
		return nil, err
	}
	defer s.leavePoll(p)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		now := s.now()
		step := s.step(p, now)
		changed := s.changed
		s.mu.Unlock()
		s.logEnded(step.ended, now)
		if step.answer {
			return step.batch, nil
		}
		timer.Reset(step.until.Sub(now))
		select {
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		case <-s.closing:
			return nil, status.Error(codes.Unavailable, "estimatord is shutting down")
		case <-changed:
		case <-timer.C:
		}
	}
}

// polls are the Corrections calls that wait.
type polls struct {
	waiting []*poll
	// answered is when the last one was, superseded ones aside.
	answered time.Time
}

// poll is one waiting Corrections call.
type poll struct {
	report  *snapshot.Usage
	started time.Time
	// superseded: a newer call of the same agent took its place.
	superseded bool
}

// enterPoll adds a call. The agent's older one, which it has most likely given
// up, gets nothing any more.
func (s *Server) enterPoll(report *snapshot.Usage) (*poll, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.polls.waiting) >= s.cfg.MaxPolls {
		return nil, status.Errorf(codes.ResourceExhausted, "%d Corrections calls are waiting already", len(s.polls.waiting))
	}
	for _, old := range s.polls.waiting {
		if !old.superseded {
			old.superseded = true
			s.tally.superseded()
		}
	}
	p := &poll{report: report, started: s.now()}
	s.polls.waiting = append(s.polls.waiting, p)
	s.wake()
	return p, nil
}

func (s *Server) leavePoll(p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls.waiting = slices.DeleteFunc(s.polls.waiting, func(o *poll) bool { return o == p })
}

// pollStep is what a waiting call does next.
type pollStep struct {
	answer bool
	batch  []*kill
	ended  []outcome
	// until is when to look again, unless woken before.
	until time.Time
}

// step decides what p does at time now. mu is held.
//
// A superseded call, too, is answered only after PollMin: two loops of one
// client that supersede each other must not make each other spin.
func (s *Server) step(p *poll, now time.Time) pollStep {
	earliest := p.started.Add(s.cfg.PollMin)
	if !p.superseded {
		earliest = later(earliest, s.polls.answered.Add(s.cfg.PollMin))
	}
	if now.Before(earliest) {
		return pollStep{until: earliest}
	}
	if p.superseded {
		return pollStep{answer: true}
	}
	t := s.kills.take(now, p.report, s.usage.Load())
	until := p.started.Add(s.cfg.PollCap)
	if len(t.batch) > 0 || t.wantFresh || s.fresh.wanted || !now.Before(until) {
		s.polls.answered = now
		return pollStep{answer: true, batch: t.batch, ended: t.ended}
	}
	if retry, ok := s.kills.nextRetry(); ok && retry.Before(until) {
		until = retry
	}
	return pollStep{ended: t.ended, until: until}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
