package main

import (
	"github.com/estimatord/estimatord/config"
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/estimator/peak"
)

// newEstimator makes the estimator that the settings ask for.
func newEstimator(cfg *config.Config) (estimator.Estimator, error) {
	return estimator.New(string(cfg.Mode), estimator.Config{Total: cfg.Resources, Usage: usageConfig(cfg)})
}

// usageConfig is mode usage as set; what is not a setting keeps its default.
func usageConfig(cfg *config.Config) estimator.UsageConfig {
	u := estimator.DefaultUsage()
	u.Cap = cfg.Resources
	u.WarmUp = cfg.Estimator.WarmUp
	u.ReportStaleAfter = cfg.UsageStaleAfter
	u.SampleStaleAfter = cfg.SampleStaleAfter
	u.UnmanagedWindow = cfg.Estimator.UnmanagedWindow
	u.UnmanagedWindow = cfg.Estimator.UnmanagedWindow
	u.Resources = nil
	for _, name := range cfg.Estimator.Resources {
		u.Resources = append(u.Resources, estimator.ResourceConfig{
			Name:      name,
			Predictor: cfg.Estimator.Predictor,
			Peak:      peak.Config{Interval: cfg.Interval, Window: cfg.Estimator.Window, Horizon: cfg.Estimator.Horizon},
			Margin:    cfg.Estimator.Margin,
			Governor: estimator.GovernorConfig{
				Quantum:    cfg.Governor.Quantum.Get(name),
				Step:       cfg.Governor.Step.Get(name),
				RaiseEvery: cfg.Governor.RaiseEvery,
				DeadBand:   cfg.Governor.DeadBand.Get(name),
				Hold:       cfg.Governor.Hold,
			},
		})
	}
	return u
}
