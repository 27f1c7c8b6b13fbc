package daemon

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/qos"
)

// actuator throttles and freezes. It is a tick.Actor. Nothing is touched before
// open: throttles of an earlier run belong to another instance as long as that
// one serves the socket.
type actuator struct {
	log    *slog.Logger
	actor  atomic.Pointer[throttle.Actor]
	report atomic.Pointer[throttle.Report]
	// journal is how that stood at the last tick, so that a change is news.
	journal reason.Code
}

// open undoes the throttles of an earlier run, and is ready from then on.
func (a *actuator) open(cfg *config.Config, layout monitor.Layout) {
	a.actor.Store(throttle.New(throttle.Config{
		Layout: layout.Layout, MesosRoot: cfg.MesosCgroupsRoot, ProcRoot: cfg.ProcRoot,
		JournalPath: journalOf(cfg), Log: a.log,
	}))
}

// journalOf is where the journal of throttles is: by default beside the socket,
// since there is one daemon to a socket.
func journalOf(cfg *config.Config) string {
	switch cfg.JournalFile {
	case "":
		return cfg.Socket + ".throttles"
	case config.Off:
		return ""
	}
	return cfg.JournalFile
}

// Apply implements tick.Actor.
func (a *actuator) Apply(now time.Time, wanted qos.Actions, dying []qos.Victim) {
	actor := a.actor.Load()
	if actor == nil {
		return
	}
	r := actor.Apply(now, wanted, dying)
	a.report.Store(&r)
	if r.Journal != a.journal && (r.Journal == throttle.JournalFailed || a.journal == throttle.JournalFailed) {
		a.log.Warn("the journal of throttles", "state", string(r.Journal), "err", r.JournalErr)
	}
	a.journal = r.Journal
}

// boost gives CPU to a container that the agent was told to kill: it needs some
// to die.
func (a *actuator) boost(v qos.Victim) {
	if actor := a.actor.Load(); actor != nil {
		actor.Boost(time.Now(), v)
	}
}

// last is the newest report.
func (a *actuator) last() throttle.Report {
	if r := a.report.Load(); r != nil {
		return *r
	}
	return throttle.Report{}
}

// close undoes everything. What cannot be undone stays in the journal.
func (a *actuator) close() error {
	actor := a.actor.Load()
	if actor == nil {
		return nil
	}
	if err := actor.Close(); err != nil {
		return errors.Join(errors.New("some containers stay throttled until the next start"), err)
	}
	return nil
}
