// Package reason holds the stable codes that say why: why a reading is absent,
// why an offer is what it is, why a container was or was not killed. The same
// code stands in the log, in a metric's label and in the docs, so a code is
// never renamed, only added.
package reason

// Code is a stable, lower-case, snake_case word. All says what each means.
type Code string

// Of an offer: what decided its size.
const (
	Slack         Code = "slack"
	Fixed         Code = "fixed"
	Noop          Code = "noop"
	Cap           Code = "cap"
	NoSlack       Code = "no_slack"
	CountedInFull Code = "counted_in_full"
	UsedOutside   Code = "used_outside"
	Learning      Code = "learning"
	RaiseStep     Code = "raise_step"
	DeadBand      Code = "dead_band"
	Hold          Code = "hold"
	Stopped       Code = "stopped"
	NoAgent       Code = "no_agent"
	StaleUsage    Code = "stale_usage"
	NoHost        Code = "no_host"
	NoSamples     Code = "no_samples"
	StaleSamples  Code = "stale_samples"
	// UnusableExecutor: what it takes of which reservation is not known.
	UnusableExecutor Code = "unusable_executor"
)

// Of a rule, a ladder and a tick as a whole.
const (
	Calm         Code = "calm"
	Waiting      Code = "waiting"
	Preempt      Code = "preempt"
	NoVictim     Code = "no_victim"
	KillInFlight Code = "kill_in_flight"
	Settling     Code = "settling"
	Blind        Code = "blind"
	NoSignal     Code = "no_signal"
	NoPolicy     Code = "no_policy"
	Shadow       Code = "shadow"
	Climbing     Code = "climbing"
	Clearing     Code = "clearing"
	Throttled    Code = "throttled"
	Frozen       Code = "frozen"
	BudgetSpent  Code = "budget_spent"
	Paused       Code = "paused"
)

// Of a container that was considered as a victim.
const (
	Eligible        Code = "eligible"
	Chosen          Code = "chosen"
	NotFirst        Code = "not_first"
	NotRevocable    Code = "not_revocable"
	RunsRegularTask Code = "runs_regular_task"
	UnknownToAgent  Code = "unknown_to_agent"
	NotOnDisk       Code = "not_on_disk"
	UnknownUsage    Code = "unknown_usage"
	TooYoung        Code = "too_young"
	TooSmall        Code = "too_small"
	Protected       Code = "protected"
	AlreadyDying    Code = "already_dying"
)

// IsBlind reports whether c says that an input is missing, so that the offer
// is zero for want of knowledge rather than for want of slack.
func (c Code) IsBlind() bool {
	switch c {
	case NoAgent, StaleUsage, NoHost, NoSamples, StaleSamples, UnusableExecutor, Blind:
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
