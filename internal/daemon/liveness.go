package daemon

import (
	"log/slog"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// liveness tells the service manager and the agent's health checks that the
// loop ticks. It is a tick.Observer, so that a stalled loop is noticed.
type liveness struct {
	agent *agentapi.Server
	log   *slog.Logger
	// limit is how long after a tick the API still counts as serving.
	limit   time.Duration
	stalled *time.Timer
}

// Observe implements tick.Observer.
func (l *liveness) Observe(*decision.Record, *snapshot.Snapshot) {
	if l.stalled == nil {
		notify(l.log, systemd.SdNotifyReady)
		l.stalled = time.AfterFunc(l.limit, func() { l.agent.SetServing(false) })
	} else {
		l.stalled.Reset(l.limit)
	}
	l.agent.SetServing(true)
	notify(l.log, systemd.SdNotifyWatchdog)
}

// notify tells systemd, if it runs us; without it this does nothing.
func notify(log *slog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", "state", state, "err", err)
	}
}
