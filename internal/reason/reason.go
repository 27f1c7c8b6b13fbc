// Package reason holds the stable codes that say why: why a reading is absent,
// why an offer is what it is, why a container was or was not killed. The same
// code stands in the log, in a metric's label and in the docs, so a code is
// never renamed, only added.
package reason

// Code is a stable, lower-case, snake_case word.
type Code string

// Of an offer: what decided its size.
const (
	// Slack: the offer is all the measured slack, nothing held it back.
	Slack Code = "slack"
	// Fixed: the offer is the operator's fixed total.
	Fixed Code = "fixed"
	// Noop: the mode offers nothing.
	Noop Code = "noop"
	// Cap: the operator's cap is below the slack.
	Cap Code = "cap"
	// NoSlack: what regular tasks may need is all that they were allocated.
	NoSlack Code = "no_slack"
	// RaiseStep: the slack rose, and the governor lets the offer follow one step at a time.
	RaiseStep Code = "raise_step"
	// DeadBand: the slack rose by less than the dead-band, the offer stays.
	DeadBand Code = "dead_band"
	// Hold: the offer may not rise yet after an action.
	Hold Code = "hold"
	// Stopped: the ladder has stopped the offer.
	Stopped Code = "stopped"
	// NoAgent: no agent has reported its usage yet.
	NoAgent Code = "no_agent"
	// StaleUsage: the agent's last report is older than the limit.
	StaleUsage Code = "stale_usage"
	// NoHost: the host's own readings are absent.
	NoHost Code = "no_host"
	// NoSamples: the container tree could not be read.
	NoSamples Code = "no_samples"
	// StaleSamples: the last sample is older than the limit.
	StaleSamples Code = "stale_samples"
)

// Of a decision to preempt.
const (
	// Calm: no rule is above its threshold.
	Calm Code = "calm"
	// Waiting: a rule is above its threshold, but not yet for its time.
	Waiting Code = "waiting"
	// Preempt: a rule has held for its time; a victim is killed.
	Preempt Code = "preempt"
	// NoVictim: a rule is above its threshold, but no container may be killed.
	NoVictim Code = "no_victim"
	// KillInFlight: the last victim is not gone yet, nothing else is killed.
	KillInFlight Code = "kill_in_flight"
	// Settling: the last victim is gone, its relief is not yet in the readings.
	Settling Code = "settling"
	// Blind: an input of the rule is absent, so the rule does nothing.
	Blind Code = "blind"
	// NoSignal: this host does not have what the rule reads.
	NoSignal Code = "no_signal"
	// NoPolicy: no rule is configured.
	NoPolicy Code = "no_policy"
	// Shadow: every rule is in shadow mode, so nothing is done.
	Shadow Code = "shadow"
	// Climbing: a rule has held, and the ladder is on its way to its action.
	Climbing Code = "climbing"
	// Clearing: a rule that has held is not above its threshold any more, and
	// has not cleared yet: things stay as they are.
	Clearing Code = "clearing"
	// Throttled: a rule has held; revocable containers are throttled.
	Throttled Code = "throttled"
	// Frozen: a rule has held; revocable containers are frozen.
	Frozen Code = "frozen"
	// BudgetSpent: a rule has held, but no kill is left in the budget.
	BudgetSpent Code = "budget_spent"
	// Paused: an operator has paused the daemon.
	Paused Code = "paused"
)

// Of a container that was considered as a victim.
const (
	// Eligible: the container could be a victim, if a rule asked for one.
	Eligible Code = "eligible"
	// Chosen: this is the victim.
	Chosen Code = "chosen"
	// NotFirst: another container came first in the victim order.
	NotFirst Code = "not_first"
	// NotRevocable: the container holds no revocable resources.
	NotRevocable Code = "not_revocable"
	// RunsRegularTask: the executor also runs a task on regular resources.
	RunsRegularTask Code = "runs_regular_task"
	// UnknownToAgent: the agent does not list the container.
	UnknownToAgent Code = "unknown_to_agent"
	// NotOnDisk: the agent lists the container, but it has no cgroup.
	NotOnDisk Code = "not_on_disk"
	// UnknownUsage: the container's usage could not be read.
	UnknownUsage Code = "unknown_usage"
	// TooYoung: the container is younger than the policy's minimum age.
	TooYoung Code = "too_young"
	// TooSmall: the container uses less than the policy's minimum.
	TooSmall Code = "too_small"
	// Protected: the policy protects the container.
	Protected Code = "protected"
	// AlreadyDying: the container was handed to the agent to be killed.
	AlreadyDying Code = "already_dying"
)

// IsBlind reports whether c says that an input is missing, so that the offer
// is zero for want of knowledge rather than for want of slack.
func (c Code) IsBlind() bool {
	switch c {
	case NoAgent, StaleUsage, NoHost, NoSamples, StaleSamples, Blind:
		return true
	}
	return false
}

// IsUnfit reports whether c says that a container may not be killed whatever
// happens to the others.
func (c Code) IsUnfit() bool {
	switch c {
	case NotRevocable, RunsRegularTask, UnknownToAgent, NotOnDisk, UnknownUsage, TooYoung, TooSmall, Protected, AlreadyDying:
		return true
	}
	return false
}
