package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// DecisionsRequest says whose decisions are made again.
type DecisionsRequest struct {
	// Recording and Log are what one daemon left, or several in turn.
	Recording, Log string
	// Estimator makes the daemon's estimator anew, of a node of that seed
	// (estimator.GovernorConfig).
	Estimator func(seed uint64) (estimator.Estimator, error)
	// Policies are those that were in force at one time or the other.
	Policies []*policy.Policy
	// Progress, when set, is told from time to time how far reading has come.
	Progress Progress
}

// DecisionsReport is what came of it.
type DecisionsReport struct {
	// Starts of a daemon were found; Ticks were decided again, and Same of them
	// led to the line in the log, byte for byte.
	Starts, Ticks, Same int
	// Unlogged are ticks that the log lacks; Unrecorded lines whose tick cannot
	// be decided again.
	Unlogged, Unrecorded int
	// Ends says why ticks could not be decided again, in order.
	Ends []string
	// First is the first line that differs, nil when none does.
	First *DecisionsDifference
}

// DecisionsDifference is a line that came out otherwise.
type DecisionsDifference struct {
	Seq              uint64
	At               string
	Logged, Replayed string
}

// String shows where the two begin to differ.
func (d *DecisionsDifference) String() string {
	n := 0
	for n < min(len(d.Logged), len(d.Replayed)) && d.Logged[n] == d.Replayed[n] {
		n++
	}
	around := func(s string) string { return s[max(0, min(len(s), n)-60):min(len(s), n+100)] }
	return fmt.Sprintf("tick %d at %s\n  logged   …%s\n  replayed …%s", d.Seq, d.At, around(d.Logged), around(d.Replayed))
}

// Decisions decides the ticks of a recording again, by the very code of the
// daemon, and compares what comes out with the log. It can do so from the start
// of a daemon on, for as long as no tick is missing in the recording and the
// policy in force is known.
func Decisions(req *DecisionsRequest) (*DecisionsReport, error) {
	rec, err := recording.Open(req.Recording)
	if err != nil {
		return nil, err
	}
	log, err := decisionlog.Open(req.Log)
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(log.All())
	defer stop()
	if req.Progress != nil {
		rec.Progress = func(read, total int64) { req.Progress("deciding again", read, total) }
	}
	r := redecide{req: req, logged: logged{next: next}}
	r.logged.advance()
	for t, err := range rec.Ticks() {
		switch {
		case errors.Is(err, recording.ErrCut):
			r.end("%v", err)
			continue
		case err != nil:
			return nil, err
		}
		if err := r.tick(&t); err != nil {
			return nil, err
		}
	}
	for r.logged.line != nil {
		r.report.Unrecorded++
		r.logged.advance()
	}
	return &r.report, nil
}

// logged is the next line of the log, nil at its end.
type logged struct {
	next func() ([]byte, *decision.Record, bool)
	text []byte
	line *decision.Record
}

func (l *logged) advance() {
	text, line, ok := l.next()
	if !ok {
		text, line = nil, nil
	}
	l.text, l.line = text, line
}

// redecide is the daemon of a replay.
type redecide struct {
	req    *DecisionsRequest
	report DecisionsReport
	logged logged

	brain *tick.Brain // nil: nothing can be decided until the next start
	maker *decision.Maker
	// began is when the daemon did, seq its last tick.
	began time.Time
	seq   uint64
	// policy is the one in force, which was the policies-th.
	policy   *policy.Policy
	policies int
}

// end stops deciding until the next start.
func (r *redecide) end(format string, args ...any) {
	if r.brain != nil {
		r.report.Ends = append(r.report.Ends, fmt.Sprintf(format, args...))
	}
	r.brain = nil
}

func (r *redecide) tick(t *recording.Tick) error {
	at := t.Wall.UTC()
	if t.Inputs != nil && t.Inputs.Start != nil {
		r.end("the daemon was started again")
		if err := r.start(t.Inputs.Start); err != nil {
			return err
		}
		r.began, r.seq = at, 0
	}
	switch {
	case r.brain == nil:
		return nil
	case t.Inputs == nil:
		r.end("tick %d was recorded without its inputs", t.Seq)
		return nil
	case t.Seq != r.seq+1:
		r.end("ticks %d to %d are missing in the recording", r.seq+1, t.Seq-1)
		return nil
	}
	r.seq = t.Seq
	if !r.follow(t.Inputs) {
		r.end("tick %d was decided by the policy %s, which was not given", t.Seq, t.Inputs.Policy)
		return nil
	}
	in := qos.Input{Snapshot: t.Snapshot, InFlight: t.Inputs.InFlight, Commands: t.Inputs.Orders}
	d, offer := r.brain.Think(r.policy, &in)
	made := r.maker.Make(&decision.Tick{Policy: r.policy, Input: in, Decision: d, Offer: offer, InFlight: t.Inputs.After, Wall: t.Wall})
	r.report.Ticks++
	return r.compare(made)
}

// start begins as a daemon began.
func (r *redecide) start(s *recording.Start) error {
	e, err := r.req.Estimator(s.Seed)
	if err != nil {
		return err
	}
	if len(s.Checkpoint) > 0 {
		var c estimator.Checkpoint
		if err := json.Unmarshal(s.Checkpoint, &c); err != nil {
			return fmt.Errorf("what the daemon had learned: %w", err)
		}
		_ = e.Restore(&c) // what cannot be used, the daemon did not use either
	}
	var resume qos.Resume
	if len(s.Decisions) > 0 {
		if err := json.Unmarshal(s.Decisions, &resume); err != nil {
			return fmt.Errorf("what the daemon remembered of its decisions: %w", err)
		}
	}
	r.report.Starts++
	r.brain, r.maker = tick.NewBrain(e, resume.State()), &decision.Maker{}
	r.policy, r.policies = nil, 0
	return nil
}

// follow puts the tick's policy in force, and reports whether it is known. One
// that was loaded again begins anew, also when it is the same.
func (r *redecide) follow(in *recording.Inputs) bool {
	if in.Policies == r.policies {
		return true
	}
	r.policies, r.policy = in.Policies, nil
	if in.Policy == policy.NoHash {
		return true
	}
	for _, p := range r.req.Policies {
		if p.Hash() == in.Policy {
			again := *p
			r.policy = &again
			return true
		}
	}
	return false
}

// compare looks for the line of a tick in the log.
func (r *redecide) compare(made *decision.Record) error {
	for l := &r.logged; l.line != nil; l.advance() {
		switch {
		case l.line.Seq == made.Seq && l.line.At.Equal(made.At):
			made.Run = l.line.Run // a random name
			line, err := made.Append(nil)
			if err != nil {
				return err
			}
			if bytes.Equal(l.text, bytes.TrimSuffix(line, []byte("\n"))) {
				r.report.Same++
			} else if r.report.First == nil {
				r.report.First = &DecisionsDifference{Seq: made.Seq, At: made.At.String(), Logged: string(l.text), Replayed: string(line)}
			}
			l.advance()
			return nil
		case !l.line.At.Before(r.began) && l.line.Seq > made.Seq:
			r.report.Unlogged++
			return nil
		}
		r.report.Unrecorded++ // of a daemon before, or of a tick that was not recorded
	}
	r.report.Unlogged++
	return nil
}
