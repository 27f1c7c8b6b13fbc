// Package qos decides what to take back from revocable containers so that
// regular ones keep what they were promised.
//
// Decide is a function of the policy, the state it returned last and one Input.
// It proposes; act and agentapi carry out.
//
// Invariants:
//   - A Victim can only be made from a container whose executor is
//     ClassRevocable (NewVictim); nothing else can be throttled, frozen or
//     killed.
//   - An absent reading never leads to an action: a rule with an absent input
//     is Blind, a container of unknown usage is no candidate.
//   - No more kills than the budget, and none that another one under way may
//     make needless.
//   - Rungs are climbed one at a time, unless a rule says otherwise.
//   - Pure: no I/O, no clock, no gRPC, no Prometheus (a test enforces it).
package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Input is what one tick is decided on.
type Input struct {
	Snapshot *snapshot.Snapshot
	// InFlight are the kills decided and not yet confirmed.
	InFlight []InFlight
	// Promises are what the last offer took for granted, per resource; nil
	// while nothing is promised.
	Promises []Promise
	// Orders are what an operator asked for since the last tick.
	Orders Orders
}

// InFlight is a kill that was decided and whose container is not gone yet.
type InFlight struct {
	snapshot.Key
	// Since is when it was decided.
	Since time.Time
}

// Promise is the peak demand of regular containers that an offer was made on.
type Promise struct {
	Resource string
	// Peak is that demand, margin included, Allocated what they hold.
	Peak, Allocated resources.Milli
	// Lent is what was promised on the strength of it, handed out or offered.
	Lent resources.Milli
}

// Orders are an operator's.
type Orders struct {
	// ResetBudget forgets the kills so far and closes the breaker.
	ResetBudget bool
	// Paused: nothing is offered and nothing is taken, and what was done is
	// undone, for as long as it stands here. What would be done is in Shadow.
	Paused bool
}

// Decision is what one tick decided, with what led to it.
type Decision struct {
	// Seq and At are those of the Snapshot.
	Seq uint64
	At  time.Time
	// Why sums the decision up: that of the rule that got furthest.
	Why reason.Code
	// Rules is the state of each rule that counts here, in the order of the
	// policy.
	Rules []RuleState
	// Signals is what every signal reads, in the order of the table, whether a
	// rule asks for it or not: what is absent here no rule can go by.
	Signals []SignalReading
	// Ladders is the state of each resource's ladder.
	Ladders []LadderState
	// StopOffering: nothing more may be handed out.
	StopOffering bool
	// Acted: something was taken at this tick, so that what is freed must not be
	// handed out again at once.
	Acted bool
	// Actions is what is to be in force from now on.
	Actions Actions
	// Candidates are the containers that were weighed as victims, best first;
	// empty unless a rule asks for more than a throttle.
	Candidates []Candidate
	// Kills are the containers to kill now.
	Kills []Victim
	// GoneAt is when the last kill was seen to be gone; zero before the first.
	GoneAt time.Time
	// Budget is what is left of it.
	Budget BudgetState
	// Shadow is what the rules in shadow mode would have decided; nil when no
	// rule is.
	Shadow *ShadowDecision
}

// RuleState is one rule at one tick.
type RuleState struct {
	Name   string
	Signal Signal
	// Action is the highest rung that it asks for.
	Action Rung
	// Value is the rule's reading; absent when an input is.
	Value snapshot.Value
	// Above and Clear are what it is compared with, in the same unit.
	Above, Clear float64
	// Missing is how much of the resource regular containers lack by it (cores
	// or bytes); absent when it does not tell.
	Missing snapshot.Value
	// Worst is the container it is about, "" when it is about the node.
	Worst string
	// Exceeded: the reading is above the threshold, and While holds.
	Exceeded bool
	// Since is when it was first above without interruption; zero when it is not.
	Since time.Time
	// Held: it has been above for the rule's time, and has not cleared since.
	Held bool
	// Why is the state as a code: see docs/reference/policy.md.
	Why reason.Code
	// Text is the sentence for people: what was read and compared.
	Text string
}

// SignalReading is one signal at one tick.
type SignalReading struct {
	Signal Signal
	Value  snapshot.Value
	// Worst is the container it is about, "" when it is about the node.
	Worst string
}

// LadderState is one resource's ladder at one tick.
type LadderState struct {
	Resource Resource
	// Rung is where it stands, Since when it came there, Wanted where the rules
	// want it.
	Rung, Wanted Rung
	Since        time.Time
	// Limit is what all throttled containers may use together (cores or bytes),
	// 0 when none is throttled.
	Limit float64
	// Rule is the name of the rule that wants the most, "" when none does.
	Rule string
}

// BudgetState is what is left of the kill budget.
type BudgetState struct {
	// Left is how many kills are left, Used how many were in the last Per.
	Left, Used int
	// Open: the breaker is open: no kill, no offer.
	Open bool
	// Since is when it opened; zero while it is closed.
	Since time.Time
}

// Candidate is one container that was weighed as a victim.
type Candidate struct {
	snapshot.Key
	FrameworkID, ExecutorID string
	// Resource is what it is weighed by; Usage and Over are in its unit: cores
	// or bytes.
	Resource Resource
	// Usage is what it uses, Over how far that is above its own allocation
	// (negative below it).
	Usage, Over float64
	// Priority is the policy's.
	Priority int
	// Age is how long the daemon has known it.
	Age time.Duration
	// Why is Chosen, or the reason it was not.
	Why reason.Code
}

// ShadowDecision is what the rules in shadow mode would have decided, on a node
// from which the containers that they would have killed are deducted.
type ShadowDecision struct {
	Decision
	// Deducted is how many such containers still run.
	Deducted int
	// Outcomes are shadow kills of which it is known by now whether they were
	// needed.
	Outcomes []Outcome
}

// Outcome is what became of a kill that was only decided.
type Outcome struct {
	snapshot.Key
	Rule string
	// Cleared: the rule cleared, or the container ended, although nothing was
	// killed, within what the kill had been given to show.
	Cleared bool
}
