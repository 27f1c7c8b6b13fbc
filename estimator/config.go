package estimator

import (
	"fmt"
	"math"
	"time"

	"github.com/estimatord/estimatord/estimator/peak"
	"github.com/estimatord/estimatord/resources"
)

// UsageConfig is what mode usage is made from.
type UsageConfig struct {
	// Resources are the resources that are estimated, at most one entry per
	// name: cpus, and mem when the operator turns it on.
	Resources []ResourceConfig
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
	// Predictor is a name of peak.Names, made from Peak.
	Predictor string
	Peak      peak.Config
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
		Resources:        []ResourceConfig{DefaultResource(resources.CPUs)},
		WarmUp:           5 * time.Minute,  // Serenity ignores a younger executor's slack
		ReportStaleAfter: 45 * time.Second, // three of the agent's 15 s intervals
		SampleStaleAfter: 10 * time.Second, // koordlet's limit; ten ticks
		UnmanagedWindow:  time.Minute,      // spans a cron job's start and the skew between readings
	}
}

// DefaultResource is how the resource is estimated when the operator says
// nothing: koordlet keeps 10 % on top of the peak, VPA 15 %.
func DefaultResource(name string) ResourceConfig {
	return ResourceConfig{
		Name:      name,
		Predictor: "container-max",
		Peak:      peak.Config{Interval: time.Second},
		Margin:    0.10,
		Governor:  DefaultGovernor(name),
	}
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
