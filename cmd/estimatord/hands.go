package main

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

// hands carries out what throttles and freezes. It is a loop.Actor. Nothing is
// touched before open: what an earlier run left in force belongs to another
// instance as long as that one holds the socket.
type hands struct {
	log    *slog.Logger
	actor  atomic.Pointer[throttle.Actor]
	report atomic.Pointer[throttle.Report]
	// journal is how that stood at the last tick, so that a change is news.
	journal reason.Code
}

// open gives back what an earlier run left in force, and is ready from then on.
func (h *hands) open(cfg *config.Config, layout monitor.Layout) {
	h.actor.Store(throttle.New(throttle.Config{
		Layout: layout.Layout, MesosRoot: cfg.MesosCgroupsRoot, ProcRoot: cfg.ProcRoot,
		JournalPath: journalOf(cfg), Log: h.log,
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

// Apply implements loop.Actor.
func (h *hands) Apply(now time.Time, wanted qos.Actions, dying []qos.Victim) {
	a := h.actor.Load()
	if a == nil {
		return
	}
	r := a.Apply(now, wanted, dying)
	h.report.Store(&r)
	if r.Journal != h.journal && (r.Journal == throttle.JournalFailed || h.journal == throttle.JournalFailed) {
		h.log.Warn("the journal of throttles", "state", string(r.Journal), "err", r.JournalErr)
	}
	h.journal = r.Journal
}

// handedOver lets a container that the agent was told to kill go at once: it
// needs CPU to die.
func (h *hands) handedOver(v qos.Victim) {
	if a := h.actor.Load(); a != nil {
		a.Boost(time.Now(), v)
	}
}

// last is the newest report.
func (h *hands) last() throttle.Report {
	if r := h.report.Load(); r != nil {
		return *r
	}
	return throttle.Report{}
}

// close undoes everything. What cannot be undone stays in the journal.
func (h *hands) close() error {
	a := h.actor.Load()
	if a == nil {
		return nil
	}
	if err := a.Close(); err != nil {
		return errors.Join(errors.New("some containers stay throttled until the next start"), err)
	}
	return nil
}
