// Package decision holds the record of what a tick decided and why: the one
// thing that logs, metrics, the status page, the demo and explain show.
//
// A Record is what the daemon has in memory, a Line what of it goes to disk:
// everything that led to the decision, so that Recompute finds the offer and
// the victims again from a Line alone. The format is in docs/reference/reasons.md.
package decision

import (
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Record is one tick's outcome. It shares nothing with the Snapshot it came
// from and never changes.
type Record struct {
	Seq uint64
	At  time.Time
	// Offer is what may be handed out as revocable, with its terms.
	Offer estimator.Offer
	// QoS is what is taken back.
	QoS qos.Decision
	// Agent is who reported the usage, "" when nobody has; UsageAge is how old
	// that report was.
	Agent    string
	UsageAge time.Duration
	// Containers counts the top-level containers by class.
	Containers ContainerCounts
	// InFlight is the number of kills decided and not yet confirmed.
	InFlight int
	// Took is what the tick cost, from the first read to the decision.
	Took time.Duration
	// TreeWhy and HostWhy are Present, or why the container tree or the
	// host's processors could not be read.
	TreeWhy, HostWhy snapshot.Absence
	// Inputs is what else it was decided on; nil where nobody asked for it.
	Inputs *Inputs
}

// ContainerCounts counts top-level containers.
type ContainerCounts struct {
	Regular, Revocable, Shared int
	// UnknownToAgent are on disk, but the agent does not list them.
	UnknownToAgent int
	// NotOnDisk are listed by the agent, but have no cgroup.
	NotOnDisk int
	// Unreadable are on disk, but their CPU use is not known.
	Unreadable int
}

// Inputs is what a decision was made on besides what is in it.
type Inputs struct {
	// Wall is the time of the tick by the calendar. At may be a time that only
	// differences of mean something.
	Wall time.Time
	// Policy is the hash of the policy; Policies counts how often one was loaded.
	Policy   string
	Policies int
	// Rules are the policy's rules, as far as they do not change with a tick.
	Rules []RuleTerms
	// Limits are the policy's.
	Limits Limits
	Orders qos.Commands
	// Promises are what the last offer took for granted.
	Promises   []signal.Promise
	Host       snapshot.Host
	Contention snapshot.Contention
	// Reported: there is a report of the agent, of age UsageAge.
	Reported bool
	// Dying are the kills that were under way.
	Dying []Dying
	// Uses is what each container that is throttled uses, in cores, in the order
	// of Actions.Throttles; nil while the throttles are as at the tick before.
	Uses []snapshot.Value
	// Weighed says that Eligible was filled in at this tick; it is not at each.
	Weighed  bool
	Eligible []Eligible
}

// RuleTerms is what of a rule a decision depends on and its state does not say.
type RuleTerms struct {
	Name        string
	Resource    policy.Resource
	For, Settle time.Duration
	Immediate   bool
	PerCPU      bool
	While       policy.While
}

// Limits are those of a policy.
type Limits struct {
	KillsAtOnce  int
	IgnoredAfter time.Duration
	BudgetKills  int
	BudgetPer    time.Duration
	MinAge       time.Duration
	MinUsage     float64
}

// Dying is a kill that is under way.
type Dying struct {
	qos.InFlight
	// Cores and WorkingSet (bytes) are what its container still uses.
	Cores, WorkingSet snapshot.Value
}

// Eligible is one container as a possible victim, whether or not one is wanted.
type Eligible struct {
	qos.Candidate
	Tasks []string
}
