package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/estimatord/estimatord/internal/config"
)

// reloader does what SIGHUP asks for: the policy is taken over at once, and of
// the settings it is said which need a restart.
type reloader struct {
	hup     chan os.Signal
	policy  *config.PolicySource
	load    LoadSettings
	running config.Config
	log     *slog.Logger
}

// hangups are the SIGHUPs from now on, which no longer end the process.
func hangups() chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// run waits for SIGHUP until ctx ends.
func (r *reloader) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hup:
			r.reload()
		}
	}
}

func (r *reloader) reload() {
	// What systemd wants to hear around a reload; it takes the time for the
	// begin of this one (sd_notify(3)).
	notify(r.log, systemd.SdNotifyReloading+"\n"+systemd.SdNotifyMonotonicUsec())
	defer notify(r.log, systemd.SdNotifyReady)
	err := r.compare()
	if err = errors.Join(err, r.policy.Reload()); err != nil { // each is in the log
		r.log.Error("not reloaded")
		return
	}
	r.log.Info("reloaded")
}

// compare says which settings would be others after a restart.
func (r *reloader) compare() error {
	next, from, err := r.load()
	if err != nil {
		r.log.Error("the settings would be refused at the next start", "err", err)
		return err
	}
	var keys []string
	for _, v := range from.Differing(&r.running, &next) {
		keys = append(keys, v.Key)
	}
	if keys != nil {
		r.log.Warn("settings have changed, they need a restart", "keys", strings.Join(keys, ","))
	}
	return nil
}
