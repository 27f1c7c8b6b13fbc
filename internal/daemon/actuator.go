package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/qos"
)

// actuator throttles and freezes. It is a tick.Actor.
type actuator struct {
	log *slog.Logger
	// actor is nil until the journal is ours and the cgroups are known.
	actor *throttle.Actor
	// journal is nil without one.
	journal *statefile.File
	report  atomic.Pointer[throttle.Report]
	// state is how the journal stood at the last tick, so that a change is news.
	state reason.Code
}

// recover undoes the throttles of an earlier run. This comes first at each
// start, whatever else is wrong: cfg may be no more than what was understood of
// faulty settings. Throttles of a daemon that runs are left alone.
func (a *actuator) recover(cfg *config.Config) {
	path := JournalOf(cfg)
	if _, err := os.Lstat(path); err != nil { // there is nothing to undo, or no telling what
		return
	}
	if err := a.open(cfg); err != nil && !errors.Is(err, statefile.ErrInUse) {
		a.log.Error("throttles of an earlier run are not undone", "journal", path, "err", err)
	}
}

// open makes the actuator ready. An error of class statefile.ErrInUse says that
// the journal belongs to a daemon that runs. With a journal that cannot be
// written nothing will be throttled, but what it says is undone.
func (a *actuator) open(cfg *config.Config) error {
	if a.actor != nil {
		return nil
	}
	path := JournalOf(cfg)
	if path != "" {
		var err error
		a.journal, err = statefile.Open(path)
		if errors.Is(err, statefile.ErrInUse) {
			return fmt.Errorf("journal of throttles: %w", err)
		}
		if err != nil {
			a.journal = statefile.ReadOnly(path, err)
		}
	}
	layout, err := cgroup.Detect(cfg.CgroupRoot, cfg.ProcRoot)
	if def := config.Default(); err != nil && cfg.CgroupRoot != def.CgroupRoot {
		// A mistyped root is no reason to leave containers throttled.
		layout, err = cgroup.Detect(def.CgroupRoot, def.ProcRoot)
	}
	if err != nil {
		return errors.Join(err, a.close())
	}
	a.actor = throttle.New(throttle.Config{
		Layout: layout, MesosRoot: cfg.MesosCgroupsRoot, ProcRoot: cfg.ProcRoot, Journal: a.journal, Log: a.log,
	})
	return nil
}

// JournalOf is where the journal of throttles is: by default beside the socket,
// since there is one daemon to a socket.
func JournalOf(cfg *config.Config) string {
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
	r := a.actor.Apply(now, wanted, dying)
	a.report.Store(&r)
	if r.Journal != a.state && (r.Journal == throttle.JournalFailed || a.state == throttle.JournalFailed) {
		a.log.Warn("the journal of throttles", "state", string(r.Journal), "err", r.JournalErr)
	}
	a.state = r.Journal
}

// boost gives CPU to a container that the agent was told to kill: it needs some
// to die.
func (a *actuator) boost(v qos.Victim) { a.actor.Boost(time.Now(), v) }

// last is the newest report.
func (a *actuator) last() throttle.Report {
	if r := a.report.Load(); r != nil {
		return *r
	}
	return throttle.Report{}
}

// close undoes everything. What cannot be undone stays in the journal.
func (a *actuator) close() error {
	var err error
	if a.actor != nil {
		err = a.actor.Close()
		switch {
		case errors.Is(err, throttle.ErrLeft):
			err = errors.Join(errors.New("some containers stay throttled until the next start"), err)
		case err != nil: // nothing of this run is left, and what an earlier one left cannot be told
			err = fmt.Errorf("journal of throttles: %w", err)
		}
	}
	if a.journal != nil {
		err = errors.Join(err, a.journal.Close())
		a.journal = nil
	}
	return err
}
