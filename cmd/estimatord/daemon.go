package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"os/user"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/policyfile"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/qos"
)

// runDaemon runs until ctx ends, and then leaves nothing behind. What cannot
// work is found before the daemon says that it is ready. rec is where it
// records, nil for nowhere.
func runDaemon(ctx context.Context, load settings, rec *recorder, stderr io.Writer) error {
	hup := hangups()
	defer signal.Stop(hup)
	cfg, origins, err := load()
	if err != nil {
		return usageError{err}
	}
	log := newLogger(stderr, cfg)
	a, err := assemble(&cfg, rec, log)
	if err != nil {
		return usageError{err}
	}
	defer a.close()
	services, err := a.open(ctx, &cfg)
	if err != nil {
		return err
	}
	reload := &reloader{hup: hup, policy: a.policy, load: load, running: cfg, log: log}
	services = append(services, a.policy.Run, reload.run)
	announce(log, &cfg, origins, a.mon.Layout(), a.policy.Status())
	defer context.AfterFunc(ctx, func() { notify(log, daemon.SdNotifyStopping) })()
	err = errors.Join(runAll(ctx, services), a.hands.close())
	if a.learned != nil {
		a.learned.stop()
	}
	log.Info("stopped")
	return err
}

// assembly is everything that a daemon is made of.
type assembly struct {
	log        *slog.Logger
	mon        *monitor.Monitor
	srv        *agentapi.Server
	policy     *policyfile.Source
	desk       control.Desk // the orders of operators
	hands      *hands
	learned    *state              // nil: nothing is kept
	decisions  *decisionlog.Writer // nil: none is kept
	rec        *recorder           // nil: nothing is recorded
	fast       *fastSampler        // nil: nobody looks between two ticks
	containers *metrics.Containers
	registry   *prometheus.Registry
	loop       *lateLoop
}

// assemble makes the parts from the settings. It opens nothing that others
// could see.
func assemble(cfg *config.Config, rec *recorder, log *slog.Logger) (_ *assembly, err error) {
	a := &assembly{log: log, loop: &lateLoop{}, hands: &hands{log: log}}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	est, err := newEstimator(cfg)
	if err != nil {
		return nil, err
	}
	a.policy, err = policyfile.Open(policyfile.Config{
		Path: cfg.Policy, Fresh: qos.Fresh{Usage: cfg.UsageStaleAfter, Sample: cfg.SampleStaleAfter}, Log: log,
	})
	if err != nil {
		return nil, err
	}
	a.mon, err = monitor.New(monitor.Config{
		CgroupRoot: cfg.CgroupRoot, MesosRoot: cfg.MesosCgroupsRoot, ProcRoot: cfg.ProcRoot,
		StatEvery: cfg.Monitor.StatEvery, CostBudget: cfg.Monitor.CostBudget,
	})
	if err != nil {
		return nil, err
	}
	if a.srv, err = newServer(cfg, a, log); err != nil {
		return nil, err
	}
	a.learned = newState(cfg.StateFile, est, time.Now(), log)
	if a.decisions, err = openDecisions(cfg, log); err != nil {
		return nil, err
	}
	if rec != nil {
		if err := rec.start(a.learned.start(), log); err != nil {
			return nil, err
		}
		a.rec = rec
	}
	if cfg.Monitor.MaxWakes > 0 {
		a.fast = newFastSampler(a.mon.NewFast(monitor.FastConfig{MaxWakes: cfg.Monitor.MaxWakes}))
	}
	if cfg.Listen != config.Off {
		a.containers = metrics.NewContainers(metrics.DefaultMaxContainers, cfg.SampleStaleAfter)
	}

	sampling := metrics.NewSampling(a.mon.Stats)
	ladder := metrics.NewLadder(a.loop.last)
	metrics, registry := metrics.NewMetrics(a.loop.last, build(), append(a.collectors(sampling), ladder)...)
	a.registry = registry
	observers := []tick.Observer{metrics, ladder, sampling, &alive{srv: a.srv, log: log, limit: cfg.SampleStaleAfter}}
	var spent []time.Time
	if a.learned != nil {
		observers = append(observers, a.learned)
		spent = a.learned.kills
	}
	if a.decisions != nil {
		observers = append(observers, a.decisions)
	}
	if a.rec != nil {
		observers = append(observers, a.rec)
	}
	a.loop.Loop = tick.New(tick.Config{
		Sampler: a.mon, Agent: a.srv, Estimator: est, Policies: a.policy, Orders: a.desk.Take,
		Actor: a.hands, Spent: spent,
		Observers: observers, Watchers: a.watchers(), Wake: a.wake(), Log: log,
	})
	return a, nil
}

// collectors are what /metrics shows besides the ticks.
func (a *assembly) collectors(sampling *metrics.Sampling) []prometheus.Collector {
	all := []prometheus.Collector{sampling, metrics.NewAgentAPI(a.srv.Status), a.policy, metrics.NewThrottle(a.hands.last)}
	if a.rec != nil {
		all = append(all, metrics.NewRecording(a.rec.writer.Stats))
	}
	if a.decisions != nil {
		all = append(all, metrics.NewDecisions(a.decisions.Stats))
	}
	if a.fast != nil {
		all = append(all, a.fast.shown)
	}
	return all
}

// watchers see every snapshot.
func (a *assembly) watchers() (all []tick.Watcher) {
	if a.learned != nil {
		all = append(all, a.learned)
	}
	if a.rec != nil {
		all = append(all, a.rec)
	}
	if a.fast != nil {
		all = append(all, a.fast)
	}
	if a.containers != nil {
		all = append(all, a.containers)
	}
	return all
}

// wake is what asks for a tick before its time.
func (a *assembly) wake() <-chan struct{} {
	if a.fast == nil {
		return nil
	}
	return a.fast.wake
}

// open opens the socket and the port, and returns what is to run.
func (a *assembly) open(ctx context.Context, cfg *config.Config) ([]func(context.Context) error, error) {
	if err := a.srv.Listen(); err != nil {
		return nil, err
	}
	a.hands.open(cfg, a.mon.Layout())
	services := []func(context.Context) error{a.srv.Serve}
	operators, err := a.listenToOperators(cfg)
	if err != nil {
		return nil, errors.Join(err, stop(ctx, a.srv.Serve))
	}
	services = append(services, operators...)
	if cfg.Listen != config.Off {
		page, err := metrics.Listen(metrics.Config{
			Listen: cfg.Listen, Registry: a.registry, Containers: a.containers, Last: a.loop.last, Unhealthy: cfg.SampleStaleAfter, Log: a.log,
		})
		if err != nil {
			for _, serve := range services {
				err = errors.Join(err, stop(ctx, serve))
			}
			return nil, err
		}
		a.log.Info("metrics", "listen", page.Addr().String())
		services = append(services, page.Serve)
	}
	if a.fast != nil {
		services = append(services, a.fast.run)
	}
	return append(services, func(ctx context.Context) error { return a.loop.Run(ctx, cfg.Interval) }), nil
}

// close gives back what assemble took.
func (a *assembly) close() {
	if err := a.hands.close(); err != nil {
		a.log.Error("throttles", "err", err)
	}
	if a.fast != nil {
		a.fast.fast.Close()
	}
	if a.rec != nil {
		a.rec.stop()
	}
	if a.decisions != nil {
		if err := a.decisions.Close(); err != nil {
			a.log.Error("decisions", "err", err)
		}
	}
	if a.mon != nil {
		_ = a.mon.Close() // it was only read from
	}
}

// lateLoop lets metrics name the loop before it is made, since each needs the
// other.
type lateLoop struct{ *tick.Loop }

func (l *lateLoop) last() *decision.Record {
	if l.Loop == nil {
		return nil
	}
	return l.Last()
}

// runAll runs the services side by side until one fails or ctx ends, and
// returns when all have stopped.
func runAll(ctx context.Context, services []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error)
	for _, serve := range services {
		go func() { results <- serve(ctx) }()
	}
	var errs []error
	for range services {
		err := <-results
		if err != nil {
			errs = append(errs, err)
		}
		cancel() // one that stops, for whatever reason, stops all
	}
	return errors.Join(errs...)
}

// stop lets a service that was opened close again what it opened.
func stop(ctx context.Context, serve func(context.Context) error) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return serve(ended)
}

func newLogger(w io.Writer, cfg config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // config has checked it
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func newServer(cfg *config.Config, a *assembly, log *slog.Logger) (*agentapi.Server, error) {
	api := agentapi.DefaultConfig()
	api.Socket, api.ProcRoot = cfg.Socket, cfg.ProcRoot
	api.HandedOver = a.hands.handedOver
	api.Warning = (&warnings{policies: a.policy, log: log}).current
	if cfg.AgentUser != "" {
		uid, err := lookUp(cfg.AgentUser)
		if err != nil {
			return nil, err
		}
		api.AgentUID = uid
	}
	return agentapi.New(api, log, time.Now)
}

// lookUp finds the user id of a name or a number.
func lookUp(name string) (uint32, error) {
	id := name
	if u, err := user.Lookup(name); err == nil {
		id = u.Uid
	}
	uid, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("agent_user: there is no user %q", name)
	}
	return uint32(uid), nil
}

// announce says once how this daemon runs.
func announce(log *slog.Logger, cfg *config.Config, origins config.Provenance, layout monitor.Layout, policy policyfile.Status) {
	b := build()
	log.Info("estimatord", "version", b.Version, "revision", b.Revision, "go", b.GoVersion)
	for _, v := range origins.Changed(cfg) {
		log.Info("setting", "key", v.Key, "value", v.Value, "from", v.Where)
	}
	log.Info("sampling", "layout", layout.String(), "interval", cfg.Interval.String())
	log.Info("offering", "mode", string(cfg.Mode), "what", estimator.Brief(string(cfg.Mode)))
	switch {
	case policy.File != "":
		log.Info("policy", "file", policy.File, "hash", policy.Hash, "rules", policy.Rules, "shadow", policy.Shadow)
		for _, w := range policy.Warnings {
			log.Warn("policy is odd", "what", w)
		}
		if cfg.JournalFile == config.Off {
			log.Warn("journal_file is off: nothing will be throttled or frozen, whatever the policy says")
		}
	case cfg.Mode != config.ModeNoop:
		log.Warn("no policy: nothing will be preempted, regular tasks rely on the kernel's CPU shares alone")
	}
	log.Info("waiting for the agent", "socket", cfg.Socket)
}

// alive tells the service manager and the agent's health checks that the loop
// ticks. The word comes from the loop itself, so that a stalled loop is seen.
type alive struct {
	srv *agentapi.Server
	log *slog.Logger
	// limit is how long after a tick the API still counts as serving.
	limit   time.Duration
	stalled *time.Timer
}

func (a *alive) Observe(*decision.Record) {
	if a.stalled == nil {
		notify(a.log, daemon.SdNotifyReady)
		a.stalled = time.AfterFunc(a.limit, func() { a.srv.SetServing(false) })
	} else {
		a.stalled.Reset(a.limit)
	}
	a.srv.SetServing(true)
	notify(a.log, daemon.SdNotifyWatchdog)
}

// notify tells systemd, if it runs us; without it this does nothing.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", "state", state, "err", err)
	}
}
