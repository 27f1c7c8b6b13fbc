package estimator

import (
	"fmt"
	"strings"

	"github.com/estimatord/estimatord/internal/resources"
)

// Config is what any mode is made from.
type Config struct {
	// Total is what mode fixed promises.
	Total resources.Quantities
	// Usage is for the modes with usage slack, Allocation for those with allocation
	// slack.
	Usage      UsageConfig
	Allocation AllocationConfig
}

// mode is one row of the table.
type mode struct {
	name string
	// brief says in a line what is offered.
	brief string
	make  func(Config) (Estimator, error)
}

// modes lists every mode. Adding one is one file, one row here, one section in
// docs/internals/estimators.md and its cases.
func modes() []mode {
	return []mode{
		{"usage", "what regular containers are allocated and will not use", func(c Config) (Estimator, error) { return NewUsage(c.Usage) }},
		{"allocation", "what is reserved to roles that they have not allocated", func(c Config) (Estimator, error) { return NewAllocation(c.Allocation, nil) }},
		{"usage+allocation", "both: usage slack and what is reserved and not allocated", func(c Config) (Estimator, error) {
			usage, err := NewUsage(c.Usage)
			if err != nil {
				return nil, err
			}
			return NewAllocation(c.Allocation, usage)
		}},
		{"fixed", "a fixed total, as Mesos's own fixed estimator", func(c Config) (Estimator, error) { return NewFixed(c.Total), nil }},
		{"noop", "nothing; the daemon only watches", func(Config) (Estimator, error) { return NewNoop(), nil }},
	}
}

// Modes are the names that New knows, in the order of the table.
func Modes() []string {
	names := make([]string, 0, len(modes()))
	for _, m := range modes() {
		names = append(names, m.name)
	}
	return names
}

// Brief says in a line what the mode offers, "" for a mode that there is not.
func Brief(name string) string {
	for _, m := range modes() {
		if m.name == name {
			return m.brief
		}
	}
	return ""
}

// New makes the estimator of that mode.
func New(name string, cfg Config) (Estimator, error) {
	for _, m := range modes() {
		if m.name == name {
			return m.make(cfg)
		}
	}
	return nil, fmt.Errorf("%w: unknown mode %q (known: %s)", ErrConfig, name, strings.Join(Modes(), ", "))
}
