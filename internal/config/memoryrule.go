package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// ErrNoMemoryRule says that memory would be offered and never taken back.
var ErrNoMemoryRule = errors.New("offers mem, which only a kill takes back for sure, and no rule in force kills by a signal of memory: " +
	"add one, such as {name: memory, signal: node_memory}, or leave mem out")

// OffersMem is the setting by which mem is offered of slack, "" when it is not.
func (c *Config) OffersMem() string {
	switch {
	case c.Mode.Estimates() && slices.Contains(c.Estimator.Resources, resources.Mem):
		return "estimator.resources"
	case c.Mode.Reserves() && slices.Contains(c.Allocation.Resources, resources.Mem):
		return "allocation.resources"
	}
	return ""
}

// CheckMemoryRule refuses a policy, nil for none, that takes no memory back where
// the setting, "" for none, offers it.
func CheckMemoryRule(setting string, p *policy.Policy) error {
	if setting == "" {
		return nil
	}
	kills := func(r policy.Rule) bool {
		s := signal.Of(r.Signal)
		return s != nil && s.Resource == policy.Memory && r.Action == policy.Kill && !r.Shadow
	}
	if p != nil && !p.Shadow && slices.ContainsFunc(p.Rules, kills) {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, ErrNoMemoryRule)
}
