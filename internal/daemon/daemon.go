// Package daemon assembles the running daemon from its parts: it loads the
// settings, makes the parts, opens the sockets, runs the loop, and leaves
// nothing behind.
package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/monitor"
)

// LoadSettings loads what the daemon is started with, each time anew.
type LoadSettings func() (config.Config, config.Provenance, error)

// Options are what a Daemon needs besides its settings.
type Options struct {
	Load  LoadSettings
	Build metrics.Build
	// Log gets the daemon's log.
	Log io.Writer
}

// Daemon is a daemon that is ready to run.
type Daemon struct {
	opts    Options
	cfg     config.Config
	origins config.Provenance
	log     *slog.Logger
	hup     chan os.Signal
	parts   *parts
}

// New loads the settings and makes all parts. What cannot work is found here,
// before anything is visible to others; throttles of an earlier run are
// undone all the same.
func New(opts Options) (*Daemon, error) {
	d := &Daemon{opts: opts, hup: hangups()}
	var err error
	d.cfg, d.origins, err = opts.Load()
	d.log = newLogger(opts.Log, d.cfg)
	act := &actuator{log: d.log}
	act.recover(&d.cfg)
	if err == nil {
		d.parts, err = d.assemble(act)
	}
	if err != nil {
		signal.Stop(d.hup)
		if err := act.close(); err != nil {
			d.log.Error("throttles", "err", err)
		}
		return nil, err
	}
	return d, nil
}

// Recover does no more than undo the throttles of an earlier run, as New does
// first.
func Recover(load LoadSettings, log io.Writer) {
	cfg, _, _ := load() // what was understood will do
	l := newLogger(log, cfg)
	act := &actuator{log: l}
	act.recover(&cfg)
	if err := act.close(); err != nil {
		l.Error("throttles", "err", err)
	}
}

// Run runs the daemon until ctx ends. It is called once.
func (d *Daemon) Run(ctx context.Context) error {
	defer signal.Stop(d.hup)
	defer d.parts.close()
	services, err := d.parts.open(ctx, &d.cfg)
	if err != nil {
		return err
	}
	reload := &reloader{hup: d.hup, policy: d.parts.policy, load: d.opts.Load, running: d.cfg, log: d.log}
	services = append(services, d.parts.policy.Run, reload.run)
	d.announce()
	defer context.AfterFunc(ctx, func() { notify(d.log, systemd.SdNotifyStopping) })()
	err = errors.Join(runAll(ctx, services), d.parts.actuator.close())
	d.parts.close()
	d.log.Info("stopped")
	return err
}

// announce logs once how this daemon runs.
func (d *Daemon) announce() {
	log, cfg, policy := d.log, &d.cfg, d.parts.policy.Status()
	b := d.opts.Build
	log.Info("estimatord", "version", b.Version, "revision", b.Revision, "go", b.GoVersion)
	for _, v := range d.origins.Changed(cfg) {
		log.Info("setting", "key", v.Key, "value", v.Value, "from", v.Where)
	}
	log.Info("sampling", "layout", d.parts.layout, "interval", cfg.Interval.String())
	log.Info("offering", "mode", string(cfg.Mode), "what", estimator.Brief(string(cfg.Mode)))
	switch {
	case policy.File != "":
		announcePolicy(log, policy)
		if cfg.JournalFile == config.Off {
			log.Warn("journal_file is off: nothing will be throttled or frozen, whatever the policy says")
		}
	case cfg.Mode != config.ModeNoop:
		log.Warn("no policy: nothing will be preempted, regular tasks rely on the kernel's CPU shares alone")
	}
	log.Info("waiting for the agent", "socket", cfg.Socket)
}

func announcePolicy(log *slog.Logger, policy config.PolicyStatus) {
	log.Info("policy", "file", policy.File, "hash", policy.Hash, "rules", policy.Rules, "shadow", policy.Shadow)
	for _, w := range policy.Warnings {
		log.Warn("policy warning", "what", w)
	}
}

// runAll runs the services side by side until one ends or ctx does, and returns
// when all have stopped.
func runAll(ctx context.Context, services []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error)
	for _, serve := range services {
		go func() { results <- serve(ctx) }()
	}
	var errs []error
	for range services {
		errs = append(errs, <-results)
		cancel() // one that stops, for whatever reason, stops all
	}
	return errors.Join(errs...)
}

func newLogger(w io.Writer, cfg config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // config has checked it
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(printable.JSON(w), opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// NewMonitor makes what samples the host that cfg names.
func NewMonitor(cfg *config.Config) (*monitor.Monitor, error) {
	return monitor.New(monitor.Config{
		CgroupRoot: cfg.CgroupRoot, MesosRoot: cfg.MesosCgroupsRoot, ProcRoot: cfg.ProcRoot,
		StatEvery: cfg.Monitor.StatEvery, CostBudget: cfg.Monitor.CostBudget,
	})
}
