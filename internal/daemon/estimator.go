package daemon

import (
	"os"
	"slices"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/resources"
)

// NewEstimator makes the estimator that the settings ask for. seed tells this
// node's delays from those of others (estimator.GovernorConfig). The modes that
// estimate nothing show what mode usage would offer.
func NewEstimator(cfg *config.Config, seed uint64) (estimator.Estimator, error) {
	usage := usageConfig(cfg, seed)
	est, err := estimator.New(string(cfg.Mode), estimator.Config{
		Total: cfg.Resources, Usage: usage, Allocation: allocationConfig(cfg, seed),
	})
	if err != nil || cfg.Mode != config.ModeFixed && cfg.Mode != config.ModeNoop {
		return est, err
	}
	usage.Cap = nil // of mode fixed it is the total
	would, err := estimator.NewUsage(usage)
	if err != nil {
		return nil, err
	}
	return estimator.NewShowing(est, would), nil
}

// allocationConfig is what is offered of reservations as set.
func allocationConfig(cfg *config.Config, seed uint64) estimator.AllocationConfig {
	a := estimator.AllocationConfig{
		Roles: cfg.Allocation.Roles(), Cap: cfg.Allocation.Cap,
		ReportStaleAfter: cfg.UsageStaleAfter, SampleStaleAfter: cfg.SampleStaleAfter,
	}
	for _, name := range cfg.Allocation.Resources {
		g := estimator.DefaultGovernor(name)
		if cfg.Governor.Quantum.Get(name) > 0 && cfg.Governor.Step.Get(name) > 0 {
			g = governorConfig(cfg, name, seed)
		}
		g.HoldOff, g.HoldOffMax = cfg.Allocation.HoldOff, max(g.HoldOffMax, cfg.Allocation.HoldOff)
		a.Resources = append(a.Resources, estimator.AllocationResource{Name: name, Governor: g})
	}
	return a
}

// usageConfig is mode usage as set; what is not a setting keeps its default.
func usageConfig(cfg *config.Config, seed uint64) estimator.UsageConfig {
	u := estimator.DefaultUsage()
	u.Cap = cfg.Resources
	u.WarmUp = cfg.Estimator.WarmUp
	u.ReportStaleAfter = cfg.UsageStaleAfter
	u.SampleStaleAfter = cfg.SampleStaleAfter
	u.UnmanagedWindow = cfg.Estimator.UnmanagedWindow
	u.Resources = nil
	for _, name := range cfg.Estimator.Resources {
		u.Resources = append(u.Resources, estimator.ResourceConfig{
			Name:      name,
			Predictor: cfg.Estimator.Predictor,
			Peak:      target(cfg, name),
			Shadows:   shadows(cfg),
			Margin:    cfg.Estimator.Margin,
			Governor:  governorConfig(cfg, name, seed),
		})
	}
	return u
}

// governorConfig is the governor of the resource as set; what is not a setting
// keeps its default.
func governorConfig(cfg *config.Config, resource string, seed uint64) estimator.GovernorConfig {
	g := estimator.DefaultGovernor(resource)
	g.Quantum = cfg.Governor.Quantum.Get(resource)
	g.Step = cfg.Governor.Step.Get(resource)
	g.RaiseEvery = cfg.Governor.RaiseEvery
	g.DeadBand = cfg.Governor.DeadBand.Get(resource)
	g.Hold = cfg.Governor.Hold
	g.HoldOff, g.HoldOffMax = cfg.Governor.HoldAfterKill, max(g.HoldOffMax, cfg.Governor.HoldAfterKill)
	g.Seed = seed
	return g
}

// nodeSeed is the seed of this node.
func nodeSeed() uint64 {
	name, _ := os.Hostname() // "" when the host has none
	return estimator.SeedOf(name)
}

// target is the horizon and the violation rate that the resource is predicted by.
func target(cfg *config.Config, resource string) predict.Config {
	e := &cfg.Estimator
	p := predict.Config{
		Interval: cfg.Interval, Window: e.Window,
		Horizon: e.Horizon, TargetViolation: e.TargetViolation, EarlyTarget: e.EarlyTargetViolation,
	}
	if resource == resources.Mem {
		p.Horizon, p.TargetViolation, p.EarlyTarget = e.MemHorizon, e.MemTargetViolation, e.MemEarlyTargetViolation
	}
	return p
}

// targetViolations are the violation rates that the estimated resources are
// predicted by.
func targetViolations(cfg *config.Config) map[string]float64 {
	all := map[string]float64{}
	for _, name := range cfg.Estimator.Resources {
		all[name] = target(cfg, name).TargetViolation
	}
	return all
}

// shadows are those of the settings but the predictor itself: who switches to
// one of them need not change both.
func shadows(cfg *config.Config) []string {
	return slices.DeleteFunc(slices.Clone(cfg.Estimator.Shadows), func(name string) bool { return name == cfg.Estimator.Predictor })
}
