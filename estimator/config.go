package estimator

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator/predict"
	"github.com/estimatord/estimatord/internal/resources"
)

// UsageConfig is what mode usage is made from.
type UsageConfig struct {
	// Resources are the resources that are estimated, at most one entry per
	// name: cpus, and mem when the operator turns it on.
	Resources []ResourceConfig
	// Predictors is the table that predictors are made from; nil:
	// predict.Predictors.
	Predictors predict.Table
	// Cap limits what is promised of the resources that it names.
	Cap resources.Quantities
	// WarmUp: a container that the daemon has known for less counts at its
	// full allocation. Longer is safer against start-up peaks; where tasks are
	// short it leaves little slack.
	WarmUp time.Duration
	// ReportStaleAfter: without a newer report from the agent nothing is
	// promised.
	ReportStaleAfter time.Duration
	// SampleStaleAfter: an older reading of the host counts as absent, one of a
	// container as its full allocation; and the answer made of it expires.
	SampleStaleAfter time.Duration
	// UnmanagedWindow: what runs outside the agent's containers counts with
	// its highest use of this time.
	UnmanagedWindow time.Duration
}

// ResourceConfig is how one resource is estimated.
type ResourceConfig struct {
	// Name is resources.CPUs or resources.Mem.
	Name string
	// Predictor is a name of Predictors, made from Peak.
	Predictor string
	Peak      predict.Config
	// Shadows are names of further predictors, made from Peak as well. What
	// they say is only scored beside the one that counts.
	Shadows []string
	// Margin is kept back on top of the peak, as a share of what is allocated
	// to regular containers.
	Margin   float64
	Governor GovernorConfig
}

// DefaultUsage is mode usage for cpus alone: slack of memory cannot be taken
// back without killing, so the operator has to ask for it (Mesos,
// docs/oversubscription.md, advises against it).
func DefaultUsage() UsageConfig {
	return UsageConfig{
		Resources: []ResourceConfig{DefaultResource(resources.CPUs)},
		// One of the agent's intervals. On public traces each minute of warm-up
		// costs a tenth of the savings where tasks are short, and the calibrated
		// margin of tce covers start-ups from the first sample on.
		WarmUp:           15 * time.Second,
		ReportStaleAfter: 45 * time.Second, // three of the agent's 15 s intervals
		SampleStaleAfter: 10 * time.Second, // koordlet's limit; ten ticks
		UnmanagedWindow:  time.Minute,      // spans a cron job's start and the skew between readings
	}
}

// DefaultResource is how the resource is estimated when the operator says
// nothing: tce promises that demand rises above its prediction in 1 % of the
// time within 5 minutes at most, which is time enough to notice, kill and
// restart; and for mem, where a violation is an OOM kill rather than a
// slow-down, in 0.5 % within an hour. For the first day, when little is known,
// the target is 0.4 times that: on public traces this kept 2 % everywhere. It
// needs no margin on top; windowed predictors do (koordlet keeps 10 %, VPA
// 15 %). The shadows are what one would run otherwise.
func DefaultResource(name string) ResourceConfig {
	r := ResourceConfig{
		Name:      name,
		Predictor: "tce",
		Peak: predict.Config{
			Interval: time.Second, Horizon: 5 * time.Minute, TargetViolation: 0.01, EarlyTarget: 0.004,
		},
		Shadows:  []string{"container-max", "node-max"},
		Governor: DefaultGovernor(name),
	}
	if name == resources.Mem {
		r.Peak.Horizon, r.Peak.TargetViolation, r.Peak.EarlyTarget = time.Hour, 0.005, 0.002
	}
	return r
}

func (c *UsageConfig) check() error {
	if len(c.Resources) == 0 {
		return fmt.Errorf("%w: no resource to estimate", ErrConfig)
	}
	known := make(map[string]bool, len(c.Resources))
	for i := range c.Resources {
		r := &c.Resources[i]
		switch {
		case r.Name != resources.CPUs && r.Name != resources.Mem:
			return fmt.Errorf("%w: resource %q cannot be estimated, only cpus and mem", ErrConfig, r.Name)
		case known[r.Name]:
			return fmt.Errorf("%w: resource %q is configured twice", ErrConfig, r.Name)
		case !(r.Margin >= 0 && r.Margin <= 1) || math.IsNaN(r.Margin):
			return fmt.Errorf("%w: margin %v of %s is not between 0 and 1", ErrConfig, r.Margin, r.Name)
		}
		known[r.Name] = true
		for i, name := range r.Shadows {
			if name == r.Predictor || slices.Contains(r.Shadows[:i], name) {
				return fmt.Errorf("%w: predictor %q of %s is configured twice", ErrConfig, name, r.Name)
			}
		}
	}
	for _, q := range c.Cap {
		switch {
		case !known[q.Name]:
			return fmt.Errorf("%w: a cap on %q, which is not estimated", ErrConfig, q.Name)
		case q.Amount < 0:
			return fmt.Errorf("%w: the cap %v on %s is negative", ErrConfig, q.Amount, q.Name)
		}
	}
	switch {
	case c.WarmUp < 0 || c.UnmanagedWindow < 0:
		return fmt.Errorf("%w: a time is negative", ErrConfig)
	case c.ReportStaleAfter <= 0 || c.SampleStaleAfter <= 0:
		return fmt.Errorf("%w: a limit of staleness must be above zero", ErrConfig)
	}
	return nil
}
