package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
)

// ErrCannotRun is returned when this machine or user does not allow what the
// demo does. Its text says what is missing and what to run instead.
var ErrCannotRun = errors.New("the demo cannot run here")

// Config is what a run is made of.
type Config struct {
	// Plain: lines instead of a table that is redrawn. Without a terminal it
	// is plain anyway.
	Plain bool
	// Out gets everything that is to be seen.
	Out io.Writer
	// Patience is how long other processes on the machine are waited for to
	// leave enough slack; 35 s if 0. Everything else takes 20 s at the most
	// where the daemon works.
	Patience time.Duration
	// Page: the story is told again and again until the context ends, so that the
	// page and the terminal view can be tried. The Result is that of the first time.
	Page bool
	// Story is which one, StoryUsage if empty.
	Story Story
	// Daemon is the command of the real daemon; it gets its flags appended.
	Daemon []string
}

// Story is one of those that can be told.
type Story string

// The stories.
const (
	// StoryUsage: what a regular service does not use is lent, and taken back.
	StoryUsage Story = "usage"
	// StoryReservation: what is reserved to an absent owner is.
	StoryReservation Story = "reservation"
)

// Stories are all of them.
func Stories() []string { return []string{string(StoryUsage), string(StoryReservation)} }

// Run tells the story once, and cleans up whatever happens. The Result is what
// came of it; the error says that it could not be told to the end for a reason
// outside the story.
func Run(ctx context.Context, cfg Config) (Result, error) {
	s := &story{began: time.Now(), patience: cfg.Patience, goesOn: cfg.Page, regular: serviceTask}
	s.result.points = storyPoints
	if cfg.Story == StoryReservation {
		s.reservation, s.regular, s.result.points = true, ownerTask, reservationPoints
	}
	if s.patience <= 0 {
		s.patience = defaultPatience
	}
	s.wait = s.patience
	total, err := fakeagent.DetectTotal()
	if err != nil {
		return s.result, err
	}
	s.plan = planFor(int(total.Get(resources.CPUs) / resources.Unit))
	total.Set(resources.CPUs, s.plan.total)
	s.view = newView(cfg.Out, s.plan, cfg.Plain)

	err = errors.Join(s.run(ctx, total, cfg.Daemon), s.cleanUp())
	s.view.close()
	s.result.Took = s.since()
	if err != nil {
		return s.result, err
	}
	if cfg.Page && !s.result.OK() {
		return s.result, nil // it was ended before
	}
	s.result.write(cfg.Out)
	if s.why != "" {
		_, _ = fmt.Fprintf(cfg.Out, "\nThe log of decisions outlives the daemon:\n\n$ estimatord explain kill %s\n%s", s.hogTask, s.why)
	}
	return s.result, nil
}

// run sets the stage and tells the story.
func (s *story) run(ctx context.Context, total resources.Quantities, command []string) (err error) {
	if s.daemon, err = newDaemon(command); err != nil {
		return err
	}
	agent := fakeagent.Config{
		Socket: s.daemon.socket, Purpose: "demo", Total: total, EstimateInterval: estimateEvery, Observe: s.happened, Log: slog.New(slog.DiscardHandler),
	}
	if s.reservation {
		s.reserve(&agent)
	}
	s.agent, err = fakeagent.New(agent)
	switch {
	case errors.Is(err, tree.ErrNoPlace):
		return fmt.Errorf("%w: %w", ErrCannotRun, explain(err))
	case err != nil:
		return err
	}
	if err := s.agent.Tree().Prefer(); err != nil {
		return err
	}
	version := "v1"
	if s.agent.Tree().V2() {
		version = "v2"
	}
	s.say("%d CPUs, cgroup %s, containers under %s in %s", s.plan.cpus, version, s.agent.Tree().Root(), s.agent.Tree().Mount())
	configuration, rules := s.plan.configuration(), policy()
	if s.reservation {
		configuration, rules = reservationConfig(s.plan), ""
	}
	if err := s.daemon.start(ctx, configuration, rules, s.agent.Tree(), s.logged); err != nil {
		return err
	}
	s.say("daemon runs: %s, a tick every %s", strings.Join(command, " "), tick)
	if s.goesOn {
		s.view.invite("page  http://"+s.daemon.Address+"/", "top   "+os.Args[0]+" top --config "+s.daemon.settings())
	}

	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.agent.Run(ctx) })
	beside.Go(func() { s.watch(ctx) })
	if s.reservation {
		err = s.tellReservation(ctx)
	} else {
		err = s.tell(ctx)
	}
	if s.goesOn && (err == nil || errors.Is(err, errEnds)) {
		err = s.tellAgain(ctx)
	}
	ended := ctx.Err() != nil
	cancel()
	beside.Wait()
	if errors.Is(err, errEnds) || s.goesOn && ended && errors.Is(err, context.Canceled) {
		return nil // the result says why, or it was told to end
	}
	return err
}

// explain is what a user can do about it.
func explain(err error) error {
	return fmt.Errorf("it runs real processes in real cgroups, and %w. "+
		"Run it as root (sudo %s demo), or, where systemd runs cgroup v2, in a scope that is delegated to you: "+
		"systemd-run --user --scope -p Delegate=yes %[2]s demo", err, os.Args[0])
}

// cleanUp leaves nothing behind.
func (s *story) cleanUp() error {
	s.set(func() { s.over = true })
	var errs []error
	if s.agent != nil {
		errs = append(errs, s.agent.Close())
	}
	if s.daemon != nil {
		errs = append(errs, s.daemon.end())
		if s.result.OK() && !s.goesOn {
			why, err := s.daemon.explain(s.hogTask)
			s.why = why
			errs = append(errs, err)
		}
		errs = append(errs, s.daemon.remove())
	}
	return errors.Join(errs...)
}

// happened is told of what the agent does.
func (s *story) happened(e fakeagent.Event) {
	s.events.Observe(e)
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if over {
		return // the end of what still ran is no news
	}
	switch e.Kind {
	case fakeagent.OfferChanged:
		s.say("agent: may launch on %s revocable, total %s", orNothing(e.Offer.Free().String()), orNothing(e.Offer.Total.String()))
	case fakeagent.TaskRunning:
	default:
		s.say("agent: %s", e)
	}
}

// logged is told of the daemon's log, and says what is wrong there and what is
// killed. Records are asked for, and on a starved machine one may be missed; the
// log has each kill.
func (s *story) logged(l process.Line) {
	switch {
	case l.Msg == "kill":
		s.mu.Lock()
		s.kills = append(s.kills, l)
		s.mu.Unlock()
		s.say("daemon: kill %s: %s", l.Executor, l.Why)
	case l.Level == "WARN" || l.Level == "ERROR":
		s.say("%s", strings.TrimSpace("daemon: "+l.Msg+" "+l.Err))
	}
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}
