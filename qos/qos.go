// Package qos decides what to take back from revocable containers so that
// regular ones keep what they were promised.
//
// Decide is a function of the policy, the state it returned last, one Snapshot
// and the kills that are under way. It proposes; act and agentapi carry out.
//
// Invariants:
//   - A Victim can only be made from a container whose executor is
//     ClassRevocable (NewVictim); nothing else can be killed.
//   - An absent reading never leads to a kill: a rule with an absent input is
//     Blind, a container of unknown usage is no candidate.
//   - At most one kill is under way at a time.
//   - Pure: no I/O, no clock, no gRPC, no Prometheus (a test enforces it).
package qos

import (
	"time"

	"github.com/estimatord/estimatord/reason"
	"github.com/estimatord/estimatord/snapshot"
)

// InFlight is a kill that was decided and whose container is not gone yet.
type InFlight struct {
	snapshot.Key
	// Since is when it was decided.
	Since time.Time
}

// Decision is what one tick decided, with what led to it.
type Decision struct {
	// Seq and At are those of the Snapshot.
	Seq uint64
	At  time.Time
	// Why sums the decision up: Preempt, or why not.
	Why reason.Code
	// Rules is the state of each rule, in the order of the policy.
	Rules []RuleState
	// Candidates are the containers that were weighed, best victim first;
	// empty unless a rule had held for its time.
	Candidates []Candidate
	// Kills are the containers to kill now; at most one.
	Kills []Victim
}

// RuleState is one rule at one tick.
type RuleState struct {
	Name string
	// Signal is the rule's reading; absent when an input is.
	Signal snapshot.Value
	// Above is the threshold the reading is compared with, in the same unit.
	Above float64
	// Exceeded: the reading is above the threshold.
	Exceeded bool
	// Since is when it was first above without interruption; zero when it is not.
	Since time.Time
	// Held: it has been above for the rule's time.
	Held bool
	// Why is Calm, Waiting, Preempt, NoVictim, KillInFlight, Settling or Blind.
	Why reason.Code
	// Text is the sentence for people: what was read and compared.
	Text string
}

// Candidate is one container that was weighed as a victim.
type Candidate struct {
	snapshot.Key
	FrameworkID, ExecutorID string
	// UsageCores is its CPU use, OverCores how far that is above its own
	// allocation (negative below it).
	UsageCores, OverCores float64
	// Age is how long the daemon has known it.
	Age time.Duration
	// Why is Chosen, or the reason it was not.
	Why reason.Code
}
