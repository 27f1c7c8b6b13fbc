package demo

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// plan holds the numbers of the story for a node of so many CPUs.
//
// The agent keeps 0.15 N for what is not its own, as an operator does with
// --resources. With 0.75 N allocated to the service and 0.85 of 0.4 N or more to
// the hog, both wanting all of theirs need more than the node has; with the
// service at a fifth of its allocation they need 0.15 N + 0.6 N at the most,
// well below the policy's threshold of 0.92 N. So it is the raise, and nothing
// else, that leads to a preemption, on a node of any size.
type plan struct {
	cpus int
	// total is what the agent has.
	total resources.Milli
	// allocated is the service's; low and high are its loads, in cores.
	allocated resources.Milli
	low, high float64
	// wanted is how much must be offered before the hog is launched, least how
	// much will do where other processes take the rest; most is the largest hog.
	wanted, least, most resources.Milli
}

func planFor(cpus int) plan {
	n := resources.Milli(cpus) * resources.Unit
	allocated := (n * 3 / 4).FloorTo(10)
	return plan{
		cpus:      cpus,
		total:     (n * 17 / 20).FloorTo(10),
		allocated: allocated,
		low:       allocated.Float() / 5,
		high:      allocated.Float(),
		wanted:    (n * 2 / 5).FloorTo(10),
		least:     (n / 10).FloorTo(10),
		most:      (n * 3 / 5).FloorTo(10),
	}
}

// hog is what the best-effort task takes of the offer. It leaves some, so that
// the offer has a way to fall.
func (p plan) hog(offered resources.Milli) resources.Milli {
	return min(p.most, (offered * 17 / 20).FloorTo(10))
}

// Times of the story. The daemon's windows are as short as a story needs; a
// real node takes minutes and hours (docs/reference/settings.md).
const (
	tick = 500 * time.Millisecond
	// estimateEvery replaces the agent's 15 s.
	estimateEvery = 500 * time.Millisecond
	// window is over which the peak is taken; the least that the daemon takes.
	window = time.Minute
	// warmUp is how long a container is too young to be judged.
	warmUp = 3 * time.Second
	// outside is for how long a peak of what else runs on the host counts.
	outside    = 2 * time.Second
	raiseEvery = time.Second
	hold       = time.Second
	// above and ruleFor are the policy's rule.
	above   = 0.92
	ruleFor = 3 * time.Second

	// defaultPatience keeps the whole story under a minute.
	defaultPatience = 35 * time.Second
	// complain is how often a busy host is spoken of while it is waited for.
	complain = 5 * time.Second
	// content is after how long less than the wanted offer will do.
	content = 10 * time.Second
	// together is how long service and hog run side by side.
	together = 4 * time.Second
	// preemptTimeout bounds each step from the raise to the end of the hog.
	preemptTimeout = 15 * time.Second
	// after is how long the service is watched when the hog is gone.
	after = 3 * time.Second
	// settle is left out after a change of load, before anything is measured.
	settle = 500 * time.Millisecond
	// fair is the share of what it asks that a service must get to be said to
	// keep its CPU: a measurement over seconds, on a host with other processes.
	fair = 0.9
)

// configuration is the daemon's: windows of seconds, and steps that the
// largest node does not wait for.
func (p plan) configuration() string {
	return fmt.Sprintf(configText, window, warmUp, outside, p.cpus, raiseEvery, hold)
}

const configText = `mode: usage
# For a story of half a minute. The default predictor learns what it takes to
# meet its target, which is a matter of hours; a maximum is right from the start.
estimator:
  predictor: container-max
  margin: 0.1
  window: %s
  warm_up: %s
  unmanaged_window: %s
governor:
  step: cpus:%d
  raise_every: %s
  hold: %s
  dead_band: cpus:0.1
  # Told again, it would last twice as long after each kill.
  hold_after_kill: 0s
`

// policy is the daemon's policy file.
func policy() string {
	return fmt.Sprintf(policyText, ruleName, above, ruleFor)
}

const policyText = `rules:
  - name: %s
    signal: node_cpu
    above: %.2f
    for: %s
    action: kill
    immediate: true
# Each telling of the story has one kill.
budget: {kills: 100}
`
