// Package qos decides what to take back from revocable containers so that
// regular ones get what they are allocated.
//
// Decide is a function of the policy, the state it returned last and one Input.
// It proposes; internal/throttle and agentapi carry out. What rules read is in
// package signal, what they say in package policy.
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

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Input is what one tick is decided on.
type Input struct {
	Snapshot *snapshot.Snapshot
	// Demands are those of the Snapshot's containers, in their order.
	Demands []demand.Demand
	// InFlight are the kills decided and not yet confirmed.
	InFlight []InFlight
	// Promises are what the last offer took for granted, per resource; nil
	// while nothing is promised.
	Promises []signal.Promise
	// Commands are what an operator asked for since the last tick.
	Commands Commands
}

// InFlight is a kill that was decided and whose container is not gone yet.
type InFlight struct {
	snapshot.Key
	// Since is when it was decided.
	Since time.Time `json:"since"`
}

// Commands are an operator's.
type Commands struct {
	// ResetBudget forgets the kills so far and closes the breaker.
	ResetBudget bool `json:"reset_budget,omitzero"`
	// Paused: nothing is offered and nothing is taken, and what was done is
	// undone, for as long as it is set. What would be done is in Shadow.
	Paused bool `json:"paused,omitzero"`
}

// Decision is what one tick decided, with what led to it.
type Decision struct {
	// Why sums the decision up: that of the rule that got furthest.
	Why reason.Code `json:"why"`
	// Blind is why no rule can act, "" when they can.
	Blind reason.Code `json:"blind,omitzero"`
	// Sums are what the rules were judged on, summed up.
	Sums signal.Sums `json:"sums"`
	// Rules is the state of each rule that counts here, in the order of the
	// policy.
	Rules []RuleState `json:"rules,omitempty"`
	// Signals is what every signal reads, in the order of the table, whether a
	// rule asks for it or not: what is absent here no rule can go by.
	Signals []signal.Named `json:"signals,omitempty"`
	// Ladders is the state of each resource's ladder.
	Ladders []LadderState `json:"ladders,omitempty"`
	// StopOffering: nothing more may be handed out.
	StopOffering bool `json:"stop_offering,omitzero"`
	// Acted: something was taken at this tick, so that what is freed must not be
	// handed out again at once.
	Acted bool `json:"acted,omitzero"`
	// Actions is what is to be in force from now on.
	Actions Actions `json:"actions,omitzero"`
	// Candidates are the containers that were weighed as victims, best first;
	// empty unless a rule asks for more than a throttle.
	Candidates []Candidate `json:"candidates,omitempty"`
	// Kills are the containers to kill now.
	Kills []Victim `json:"kills,omitempty"`
	// LastGone is when the last killed container was seen to be gone; zero
	// before the first.
	LastGone time.Time `json:"last_gone,omitzero"`
	// Budget is what is left of it.
	Budget BudgetState `json:"budget,omitzero"`
	// Shadow is what the rules in shadow mode would have decided; nil when no
	// rule is.
	Shadow *ShadowDecision `json:"shadow,omitempty"`
}

// RuleState is one rule at one tick.
type RuleState struct {
	Name   string        `json:"name"`
	Signal policy.Signal `json:"signal"`
	// Action is the highest rung that it asks for.
	Action policy.Rung `json:"action"`
	// Reading is what was read. Above and Clear are what its Value is compared
	// with, in the same unit, and While is the policy's second condition.
	signal.Reading
	Above float64       `json:"above"`
	Clear float64       `json:"clear"`
	While *policy.While `json:"while,omitempty"`
	// Exceeded: the reading is above the threshold, and While holds.
	Exceeded bool `json:"exceeded,omitzero"`
	// Since is when it was first exceeded without interruption; zero when it is
	// not. ForSeconds is how long it has to be.
	Since      time.Time `json:"since,omitzero"`
	ForSeconds float64   `json:"for_s,omitzero"`
	// Active: it was exceeded for the rule's time, and has not cleared since.
	Active bool `json:"active,omitzero"`
	// SettlesInSeconds is how long the last victim's relief may still take to
	// show in the readings.
	SettlesInSeconds float64 `json:"settles_in_s,omitzero"`
	// Why is the state as a code: see docs/reference/reasons.md.
	Why reason.Code `json:"why"`
}

// LadderState is one resource's ladder at one tick.
type LadderState struct {
	Resource policy.Resource `json:"resource"`
	// Rung is where it stands, Since when it came there, Wanted where the rules
	// want it.
	Rung   policy.Rung `json:"rung"`
	Wanted policy.Rung `json:"wanted"`
	Since  time.Time   `json:"since,omitzero"`
	// Limit is what all throttled containers may use together (cores or bytes),
	// 0 when none has a limit.
	Limit float64 `json:"limit,omitzero"`
	// Rule is the name of the rule that wants the most, "" when none does.
	Rule string `json:"rule,omitzero"`
}

// BudgetState is what is left of the kill budget.
type BudgetState struct {
	// Left is how many kills are left, Used how many count as spent.
	Left int `json:"left"`
	Used int `json:"used"`
	// OpenSince is when the breaker opened: no kill, no offer until it closes;
	// zero while it is closed.
	OpenSince time.Time `json:"open_since,omitzero"`
}

// Open reports whether the breaker is open.
func (b *BudgetState) Open() bool { return !b.OpenSince.IsZero() }

// Candidate is one container that was weighed as a victim.
type Candidate struct {
	snapshot.Key
	FrameworkID string `json:"framework_id,omitzero"`
	ExecutorID  string `json:"executor_id,omitzero"`
	// Resource is what it is weighed by; Usage and Over are in its unit: cores
	// or bytes.
	Resource policy.Resource `json:"resource"`
	// Usage is what it uses, Over how far that is above its own allocation
	// (negative below it).
	Usage float64 `json:"usage"`
	Over  float64 `json:"over"`
	// Priority is the policy's.
	Priority int `json:"priority,omitzero"`
	// AgeSeconds is how long the daemon has known it.
	AgeSeconds float64 `json:"age_s"`
	// Why is Chosen, or the reason it was not.
	Why reason.Code `json:"why"`
}

// ShadowDecision is what the rules in shadow mode would have decided, on a node
// from which the containers that they would have killed are deducted.
type ShadowDecision struct {
	Decision
	// Deducted is how many such containers still run.
	Deducted int `json:"deducted,omitzero"`
	// Outcomes are shadow kills of which it is known by now whether they were
	// needed.
	Outcomes []Outcome `json:"outcomes,omitempty"`
}

// Outcome is what became of a shadow kill.
type Outcome struct {
	snapshot.Key
	Rule string `json:"rule"`
	// Cleared: the rule cleared, or the container ended, although nothing was
	// killed, within what the kill had been given to show.
	Cleared bool `json:"cleared,omitzero"`
}
