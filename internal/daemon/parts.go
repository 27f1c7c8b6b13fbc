package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
)

// parts are what a daemon is made of.
type parts struct {
	log        *slog.Logger
	build      metrics.Build
	agent      *agent
	policy     *config.PolicySource
	pending    control.Pending
	actuator   *actuator
	checkpoint *checkpoint
	containers *metrics.Containers
	recent     *control.Recent
	registry   *prometheus.Registry
	layout     string
	loop       *tick.Loop
	// early asks the loop for a tick before its time.
	early chan struct{}

	// services run from open to the end; closers give back what assemble took, the
	// last one first.
	services []func(context.Context) error
	closers  []func()
}

// assemble makes the parts from the settings. It opens nothing that others
// could see.
func (d *Daemon) assemble(act *actuator) (_ *parts, err error) {
	cfg, log := &d.cfg, d.log
	p := &parts{log: log, build: d.opts.Build, actuator: act, early: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.onClose("throttles", act.close)
	est, err := NewEstimator(cfg, nodeSeed())
	if err != nil {
		return nil, err
	}
	p.policy, err = config.OpenPolicy(config.SourceConfig{
		Path: cfg.Policy, Fresh: policy.Fresh{Usage: cfg.UsageStaleAfter, Sample: cfg.SampleStaleAfter}, Log: log, Reservations: cfg.Mode.Reserves(), OffersMem: cfg.OffersMem(),
	})
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = fmt.Errorf("%s: %w", d.origins["policy"], err) // where the path comes from
	}
	if err != nil {
		return nil, err
	}
	mon, err := NewMonitor(cfg)
	if err != nil {
		return nil, err
	}
	p.layout = mon.Layout()
	p.closers = append(p.closers, func() { _ = mon.Close() }) // it was only read from
	if p.checkpoint, err = openCheckpoint(cfg.StateFile, est, time.Now(), log); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.checkpoint.close)
	srv, err := p.newAgentServer(cfg)
	if err != nil {
		return nil, err
	}
	view, err := newAgentView(cfg, log)
	if err != nil {
		return nil, fmt.Errorf("agent_url: %w", err)
	}
	p.agent = newAgent(srv, p.checkpoint, view, log)

	ticks, sampling := metrics.NewTicks(), metrics.NewSampling(mon.Stats)
	collectors := []prometheus.Collector{
		ticks, metrics.NewRecord(p.last), sampling, metrics.NewAgentAPI(srv.Status),
		metrics.NewPolicy(p.policy.Status), metrics.NewThrottle(act.last),
		metrics.NewTargetViolation(cfg.Estimator.Predictor, targetViolations(cfg)),
	}
	if p.checkpoint.file != nil {
		p.pending.Keep = p.checkpoint.keepPause
		p.pending.Restore(p.checkpoint.restored.Pause)
	}
	loop := tick.Config{
		Sampler: mon, Agent: p.agent, Estimator: est, Policies: p.policy, Commands: p.pending.Take,
		Wake: p.early, Actor: act, Resume: p.checkpoint.resume, Keep: p.checkpoint.keep, Log: log,
		Observers: []tick.Observer{
			ticks, sampling, &liveness{agent: srv, log: log, limit: cfg.SampleStaleAfter}, &notOffering{log: log}, p.checkpoint,
		},
	}
	if view != nil {
		p.services = append(p.services, view.poller.Run)
		loop.Observers = append(loop.Observers, view)
		collectors = append(collectors, metrics.NewAgentView(view.stats))
	}
	if cfg.KillViaAgentAPI {
		p.services = append(p.services, func(ctx context.Context) error { return view.kill(ctx, p.agent) })
	}
	warnOfOthers(cfg, log)
	if cfg.Decisions.Dir != "" {
		w, err := decisionlog.Create(cfg.Decisions.Dir, decisionlog.Options{MaxBytes: int64(cfg.Decisions.MaxMiB) << 20}, log)
		if err != nil {
			return nil, err
		}
		p.onClose("decisions", w.Close)
		loop.Observers = append(loop.Observers, w)
		collectors = append(collectors, metrics.NewDecisions(w.Stats))
	}
	if cfg.Recording.Dir != "" {
		r, err := newRecorder(cfg, p.checkpoint.start(), log)
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, r.stop)
		loop.Observers = append(loop.Observers, r)
		collectors = append(collectors, metrics.NewRecording(r.writer.Stats))
	}
	if cfg.Monitor.MaxWakes > 0 {
		f := newFastSampler(mon.NewFastSampler(cfg.Monitor.MaxWakes), p.wake)
		p.closers = append(p.closers, f.fast.Close)
		p.services = append(p.services, f.run)
		loop.Observers = append(loop.Observers, f)
		collectors = append(collectors, f.counts)
	}
	if cfg.Mode.Reserves() {
		n, err := watchContainers(mon.ContainersDir(), p.wake, log)
		if err != nil {
			return nil, fmt.Errorf("watch for new containers: %w", err)
		}
		loop.Observers, p.services = append(loop.Observers, n), append(p.services, n.run)
	}
	p.containers = metrics.NewContainers(metrics.DefaultMaxContainers, cfg.SampleStaleAfter)
	p.recent = control.NewRecent(p.containers.Each)
	loop.Observers = append(loop.Observers, p.containers, p.recent)
	p.registry = metrics.NewRegistry(p.build, collectors...)
	p.loop = tick.New(loop)
	p.services = append(p.services, func(ctx context.Context) error { return p.loop.Run(ctx, cfg.Interval) })
	return p, nil
}

// onClose has what is to be closed closed, and an error of that logged.
func (p *parts) onClose(what string, closing func() error) {
	p.closers = append(p.closers, func() {
		if err := closing(); err != nil {
			p.log.Error("not closed in order", "what", what, "err", err)
		}
	})
}

// close gives back what assemble took.
func (p *parts) close() {
	for _, closing := range slices.Backward(p.closers) {
		closing()
	}
	p.closers = nil
}

// wake asks the loop for a tick; it is about to make one when another was asked for.
func (p *parts) wake() {
	select {
	case p.early <- struct{}{}:
	default:
	}
}

// last is the newest record, nil before the first tick.
func (p *parts) last() *decision.Record {
	if p.loop == nil {
		return nil
	}
	return p.loop.Last()
}

// open opens the sockets and the port, and returns what is to run.
func (p *parts) open(ctx context.Context, cfg *config.Config) (services []func(context.Context) error, err error) {
	defer func() {
		if err == nil {
			return
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		err = errors.Join(err, runAll(ended, services)) // what was opened is closed again
	}()
	if err := p.agent.Listen(); err != nil {
		return nil, err
	}
	services = append(services, p.agent.Serve)
	if err := p.actuator.open(cfg); err != nil {
		return services, err
	}
	people := p.people(cfg)
	services = append(services, people.Remember)
	if cfg.OperatorSocket != config.Off {
		api, err := people.ListenOperator()
		if err != nil {
			return services, fmt.Errorf("operator_socket: %w", err)
		}
		services = append(services, api.Serve)
	}
	if cfg.Listen != config.Off {
		page, err := people.ListenLoopback()
		if err != nil {
			return services, err
		}
		p.log.Info("metrics", "listen", page.Addr().String())
		services = append(services, page.Serve)
	}
	return append(services, p.services...), nil
}

func (p *parts) newAgentServer(cfg *config.Config) (*agentapi.Server, error) {
	api := agentapi.DefaultConfig()
	api.Socket, api.ProcRoot = cfg.Socket, cfg.ProcRoot
	api.HandedOver = func(v qos.Victim) {
		p.actuator.boost(v)
		p.checkpoint.tell(v)
	}
	if cfg.Mode.Reserves() {
		api.Fresh = p.wake
	}
	api.Warning = (&prekillHook{policies: p.policy, log: p.log}).current
	if cfg.AgentUser != "" {
		uid, err := lookUp(cfg.AgentUser)
		if err != nil {
			return nil, err
		}
		api.AgentUID = uid
	}
	return agentapi.New(api, p.log, time.Now)
}

// warnOfOthers names the places of the daemon's own files that another user can
// write to, when it runs as root. The files themselves are checked when they are
// opened; whoever may write to the directory can still remove them.
func warnOfOthers(cfg *config.Config, log *slog.Logger) {
	for setting, dir := range map[string]string{
		"decisions.dir": cfg.Decisions.Dir, "recording.dir": cfg.Recording.Dir,
		"state_file": filepath.Dir(cfg.StateFile), "journal_file": filepath.Dir(JournalOf(cfg)),
	} {
		if dir == "" || dir == "." {
			continue
		}
		if err := config.Trusted(dir); errors.Is(err, config.ErrUntrusted) {
			log.Warn("others can remove or replace what is kept here", "setting", setting, "err", err)
		}
	}
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

// people is what people are served from.
func (p *parts) people(cfg *config.Config) *control.Config {
	return &control.Config{
		Socket: cfg.OperatorAt(), ProcRoot: cfg.ProcRoot, Listen: cfg.Listen, WebConfig: cfg.WebConfig, Last: p.last, Unhealthy: cfg.SampleStaleAfter,
		Daemon: control.Daemon{
			Version: p.build.Version, Revision: p.build.Revision, ConfigHash: cfg.Hash(), Mode: string(cfg.Mode), Started: time.Now(),
		},
		Recent: p.recent, Policy: p.policy.Status, Usage: p.agent.Server.Usage, InFlight: p.agent.InFlight, Throttles: p.actuator.last, Pending: &p.pending,
		Registry: p.registry, Containers: p.containers, Log: p.log, Now: time.Now,
	}
}
