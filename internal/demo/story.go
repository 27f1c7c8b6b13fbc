package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// Names in the story.
const (
	serviceTask = "service"
	ruleName    = "cpu-contended"
)

// memory is what each task asks for; they use a tenth of it.
const memory = 128 * resources.Unit

// storyPoints is how many points the whole story has.
const storyPoints = 8

// errEnds ends a story that cannot go on; the failed point says why.
var errEnds = errors.New("the story ends here")

// story is one run.
type story struct {
	plan   plan
	began  time.Time
	view   *view
	events fakeagent.Events
	agent  *fakeagent.Agent
	daemon *daemon
	result Result
	// patience is when nothing is waited for any more: wait, which is Config's, after
	// the begin of a telling. goesOn: there are more than one.
	patience, wait time.Duration
	goesOn         bool
	// reservation: the story of a reservation is told. regular is the name of its
	// regular task.
	reservation bool
	regular     string
	// service takes another load.
	service io.Writer
	// why is what explains the hog's kill.
	why string
	// raisedAt is when the service's load was raised; contended measures the
	// service from then on.
	raisedAt  time.Time
	contended *meter

	mu      sync.Mutex // guards what follows
	step    string
	load    float64 // of the service, in cores
	hogTask string  // the present hog
	hogs    int     // so far
	boards  []board
	kills   []process.Line
	over    bool
}

// set changes what watch reads.
func (s *story) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// chapter says what the story is at.
func (s *story) chapter(text string) { s.set(func() { s.step = text }) }

func (s *story) since() time.Duration { return time.Since(s.began) }

func (s *story) say(format string, args ...any) { s.view.say(s.since(), fmt.Sprintf(format, args...)) }

// point records a point, and ends the story when it cannot go on without it.
func (s *story) point(p Point) error {
	s.result.Points = append(s.result.Points, p)
	if p.OK {
		return nil
	}
	s.say("FAILED: %s: %s", p.Name, p.Seen)
	return errEnds
}

func (s *story) measured(what string, took time.Duration) {
	s.result.Times = append(s.result.Times, Measured{What: what, Took: took})
}

// until waits until the condition is true; ok is false when it did not in time.
// The error is that the story cannot go on at all.
func (s *story) until(ctx context.Context, timeout time.Duration, condition func() bool) (ok bool, err error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		if condition() {
			return true, nil
		}
		if e, ended := s.events.Find(fakeagent.TaskEnded, serviceTask); ended {
			return false, fmt.Errorf("the service ended: %s", e)
		}
		if e, refused := s.events.Find(fakeagent.KillRefused, ""); refused {
			return false, fmt.Errorf("the daemon asked to kill a regular task: %s", e)
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-s.daemon.Ended():
			return false, s.daemon.Died()
		case <-limit.C:
			return false, nil
		case <-poll.C:
		}
	}
}

// pass lets the time go by.
func (s *story) pass(ctx context.Context, d time.Duration) error {
	_, err := s.until(ctx, d, func() bool { return false })
	return err
}

// tell is the story.
func (s *story) tell(ctx context.Context) error {
	if err := s.serve(); err != nil {
		return err
	}
	if err := s.shared(ctx); err != nil {
		return err
	}
	return s.takenBack(ctx)
}

// takenBack: the service's load rises, and the hog goes.
func (s *story) takenBack(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.raised, s.preempted, s.kept} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shared: slack is offered and a hog runs on it. Where other processes fill
// the host meanwhile, the hog is preempted for them, rightly; then it is
// launched again on the next offer.
func (s *story) shared(ctx context.Context) error {
	for n := 1; ; n++ {
		if err := s.offered(ctx, n); err != nil {
			return err
		}
		s.set(func() {
			s.hogs++
			s.hogTask = fmt.Sprintf("hog-%d", s.hogs)
		})
		early, err := s.launched(ctx)
		if err != nil || early == nil {
			return err
		}
		if s.since() > s.patience {
			return s.point(*early)
		}
		s.say("note: the hog was preempted before the load rose; %s. Once more", early.Because)
	}
}

// serve launches the regular service.
func (s *story) serve() error {
	cmd, err := workload.Service(s.plan.low, s.plan.high)
	if err != nil {
		return err
	}
	if s.service, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.agent.Launch(fakeagent.Task{ID: serviceTask, Regular: quantities(s.plan.allocated, memory), Command: cmd}); err != nil {
		return err
	}
	s.set(func() { s.load = s.plan.low })
	s.say("regular service launched: allocated %s cpus, using %.2f", s.plan.allocated, s.plan.low)
	return nil
}

// offered: the service runs below its allocation, and slack is offered.
func (s *story) offered(ctx context.Context, attempt int) error {
	s.chapter("1. a regular service runs well under its allocation; slack is to be offered")
	began, beganAt := time.Now(), s.since()
	ok, err := s.awaitOffer(ctx)
	if err != nil {
		return err
	}
	took, free := time.Since(began), s.free()
	if ok && attempt > 1 {
		return nil // said before
	}
	if ok {
		s.measured("service launched to slack offered", took)
	}
	return s.point(Point{
		Name: "slack is offered", OK: ok,
		Expected: fmt.Sprintf("at least %s cpus within %s, or %s on a busy machine", s.plan.wanted, s.patience, s.plan.least),
		Seen:     fmt.Sprintf("%s cpus after %s", free, round(took)),
		Because:  s.whyNoOffer(beganAt),
	})
}

// awaitOffer waits for the wanted offer as long as patience lasts, and says
// what keeps it waiting.
func (s *story) awaitOffer(ctx context.Context) (ok bool, err error) {
	for {
		from := s.since()
		wait := max(0, min(complain, s.patience-from))
		ok, err := s.until(ctx, wait, func() bool { return s.free() >= s.plan.wanted })
		if err != nil || ok {
			return ok, err
		}
		if s.since() >= content && s.free() >= s.plan.least {
			s.say("note: %s, so less is offered than on a calm machine", s.whoElse(0))
			return true, nil
		}
		if s.since() >= s.patience {
			return false, nil
		}
		if others := s.others(from); others > float64(s.plan.cpus)/5 {
			s.say("note: %s; waiting for them", s.whoElse(from))
		}
	}
}

// free is what the agent may launch on.
func (s *story) free() resources.Milli { return s.agent.Offer().Free().Get(resources.CPUs) }

func (s *story) whyNoOffer(from time.Duration) string {
	b := s.last()
	return fmt.Sprintf("the daemon's terms: %s (%s); %s", slackTerms(b.cpus()), words(string(b.cpus().Why)), s.whoElse(from))
}

// whoElse says what other processes took since then.
func (s *story) whoElse(from time.Duration) string {
	return fmt.Sprintf("other processes on this machine used %.2f of its %d CPUs", s.others(from), s.plan.cpus)
}

// launched: a hog runs on the offer, and the service keeps its CPU. What is
// returned besides the error is the point that failed because the hog was
// preempted already.
func (s *story) launched(ctx context.Context) (early *Point, err error) {
	s.chapter("2. a best-effort hog runs on what the service does not use")
	size := s.plan.hog(s.free())
	if err := s.launchHog(size); err != nil {
		return nil, err
	}
	if early, err = s.passBesideHog(ctx, settle); err != nil || early != nil {
		return early, err
	}
	service, hog := s.meter(serviceTask), s.meter(s.hogTask)
	if early, err = s.passBesideHog(ctx, together); err != nil || early != nil {
		return early, err
	}
	if err := s.hogUses(hog, size); err != nil {
		return nil, err
	}
	return nil, s.keeps("the service keeps its CPU beside the hog", service, s.plan.low)
}

// launchHog launches the present hog on so much that is revocable.
func (s *story) launchHog(size resources.Milli) error {
	cmd, err := workload.Hog(size.Float(), s.plan.cpus)
	if err != nil {
		return err
	}
	err = s.agent.Launch(fakeagent.Task{
		ID: s.hogTask, Regular: resources.Quantities{{Name: resources.Mem, Amount: memory}},
		Revocable: resources.Quantities{{Name: resources.CPUs, Amount: size}}, Command: cmd,
	})
	if err == nil {
		s.say("best-effort hog launched on %s revocable cpus", size)
	}
	return err
}

// hogUses is the point that the hog got something of what it was given.
func (s *story) hogUses(hog *meter, size resources.Milli) error {
	used := hog.cores()
	return s.point(Point{
		Name: "the hog uses what was idle", OK: used >= size.Float()/2,
		Expected: fmt.Sprintf("at least half of the %s cpus it was given", size),
		Seen:     fmt.Sprintf("%.2f of %s cpus", used, size),
		Because:  s.whoElse(hog.fromAt),
	})
}

// meter measures what a task uses from now on.
type meter struct {
	story  *story
	task   string
	from   time.Time
	fromAt time.Duration
	before time.Duration
}

func (s *story) meter(task string) *meter {
	before, _ := s.agent.CPUTime(task) // a task that ended used nothing
	return &meter{story: s, task: task, from: time.Now(), fromAt: s.since(), before: before}
}

// cores is what it used until now.
func (m *meter) cores() float64 {
	now, _ := m.story.agent.CPUTime(m.task)
	return max(0, (now-m.before).Seconds()/time.Since(m.from).Seconds())
}

// passBesideHog lets the time go by, and ends when the hog does.
func (s *story) passBesideHog(ctx context.Context, d time.Duration) (early *Point, err error) {
	fromAt := s.since()
	var e fakeagent.Event
	ended, err := s.until(ctx, d, func() (ended bool) {
		e, ended = s.events.Find(fakeagent.TaskEnded, s.hogTask)
		return ended
	})
	if err != nil || !ended {
		return nil, err
	}
	_, why, _ := s.killOf(s.hogTask)
	return &Point{
		Name: "the hog runs until the load rises", Expected: "no preemption before that",
		Seen: strings.TrimSpace(e.State + " " + why), Because: s.whoElse(fromAt),
	}, nil
}

// keeps is the point that the service got what it asked for.
func (s *story) keeps(name string, service *meter, asked float64) error {
	used := service.cores()
	return s.point(Point{
		Name: name, OK: used >= fair*asked,
		Expected: fmt.Sprintf("%.0f %% of what it asked for", 100*fair),
		Seen:     fmt.Sprintf("%.2f of %.2f cpus", used, asked),
		Because:  s.whoElse(service.fromAt),
	})
}

func quantities(cpus, mem resources.Milli) resources.Quantities {
	return resources.Quantities{{Name: resources.CPUs, Amount: cpus}, {Name: resources.Mem, Amount: mem}}
}
