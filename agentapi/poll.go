package agentapi

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/estimatord/estimatord/internal/snapshot"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// Corrections implements agentv1.OversubscriptionServer.
func (v *service) Corrections(ctx context.Context, req *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
	s := v.s
	report, err := s.accept(ctx, req.GetUsage())
	if err != nil {
		return nil, err
	}
	req.Usage = nil // the call may wait for long
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

// poll is one waiting Corrections call.
type poll struct {
	// report is nil when it is superseded.
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
	if len(s.polls) >= maxPolls {
		return nil, status.Errorf(codes.ResourceExhausted, "%d Corrections calls are waiting already", len(s.polls))
	}
	for _, old := range s.polls {
		if !old.superseded {
			old.superseded, old.report = true, nil
			add(&s.counters, &s.counters.superseded, 1)
		}
	}
	p := &poll{report: report, started: s.now()}
	s.polls = append(s.polls, p)
	s.wake()
	return p, nil
}

func (s *Server) leavePoll(p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls = slices.DeleteFunc(s.polls, func(o *poll) bool { return o == p })
}

// pollStep is what a waiting call does next.
type pollStep struct {
	answer bool
	batch  []*kill
	ended  []outcome
	// until is when to look again, unless woken before.
	until time.Time
}

// step decides what p does at time now. s.mu is locked.
//
// A superseded call, too, is answered only after PollMin: two loops of one
// client that supersede each other must not make each other spin. Answers that
// are not superseded are then PollMin apart, too: the next such call begins
// after the last answer, or it would have superseded that call.
func (s *Server) step(p *poll, now time.Time) pollStep {
	if earliest := p.started.Add(s.cfg.PollMin); now.Before(earliest) {
		return pollStep{until: earliest}
	}
	if p.superseded {
		return pollStep{answer: true}
	}
	latest := s.usage.Load()
	t := s.kills.take(now, p.report, latest)
	until := p.started.Add(s.cfg.PollCap)
	if len(t.batch) > 0 || t.wantFresh || s.fresh.wanted || outdated(p.report, latest) || !now.Before(until) {
		return pollStep{answer: true, batch: t.batch, ended: t.ended}
	}
	if retry, ok := s.kills.nextDue(); ok && retry.Before(until) {
		until = retry
	}
	return pollStep{ended: t.ended, until: until}
}

// outdated reports whether latest lists an executor that may be killed and that
// report, which a waiting call came with, does not. Such a call is of no use
// when that executor is to be killed: it would only end then, and a PollMin
// would be lost before the next one could hand the kill over.
func outdated(report, latest *snapshot.Usage) bool {
	if latest == nil || latest == report {
		return false
	}
	known := make(map[string]struct{}, len(report.Executors))
	for i := range report.Executors {
		known[report.Executors[i].ContainerID] = struct{}{}
	}
	return slices.ContainsFunc(latest.Executors, func(e snapshot.Executor) bool {
		_, ok := known[e.ContainerID]
		return !ok && e.Class == snapshot.ClassRevocable
	})
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
		if s.cfg.HandedOver != nil {
			s.cfg.HandedOver(k.victim)
		}
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
