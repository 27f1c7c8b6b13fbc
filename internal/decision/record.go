// Package decision holds the record of what a tick decided and why: the one
// thing that the log, metrics, status and explain show.
//
// A Record is kept in memory and written to the log as it is, as one line of
// JSON: everything that led to the decision, so that the offer and the victims
// can be found again from the line alone. docs/reference/decision-log.md lists
// its fields.
package decision

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Version is that of the records that are written. A field may be added without
// a new one; none is renamed or given another meaning.
const Version = 1

// ErrRecord is the class of what is no record of this version.
var ErrRecord = errors.New("not a line of a decision log")

// Record is one tick's outcome. It shares nothing that changes with the Snapshot
// it came from, and never changes itself. Its times are by the calendar of its
// tick: as far before At as they were, whatever the clock of the machine was set
// to since.
type Record struct {
	Version int `json:"v"`
	// Run names the start of the daemon, at random; Seq counts its ticks from 1.
	// Both together tell a tick from every other one.
	Run string `json:"run"`
	Seq uint64 `json:"seq"`
	// At is when the tick was.
	At time.Time `json:"at"`
	// PolicyHash tells which policy was in force, Loads how often one was loaded.
	// Policy is that policy: in the first record that it led to and in each that
	// weighs all containers.
	PolicyHash string         `json:"policy"`
	Loads      int            `json:"policy_loads"`
	Policy     *policy.Policy `json:"policy_document,omitempty"`

	// Reported: an agent has reported its usage. Agent is which, UsageAgeSeconds
	// how old the report is.
	Reported        bool    `json:"reported"`
	Agent           string  `json:"agent,omitzero"`
	UsageAgeSeconds float64 `json:"usage_age_s,omitzero"`
	// TreeWhy is Present, or why the container tree could not be read.
	TreeWhy    snapshot.Absence    `json:"tree"`
	Host       snapshot.Host       `json:"host"`
	Contention snapshot.Contention `json:"contention,omitzero"`
	// Containers counts the top-level containers by class.
	Containers ContainerCounts `json:"containers"`
	// Commands are the operator's, Promises what the last offer took for granted.
	Commands qos.Commands     `json:"commands,omitzero"`
	Promises []signal.Promise `json:"promises,omitempty"`
	// Dying are the kills under way before the tick; InFlight counts those after
	// it.
	Dying    []Dying `json:"in_flight,omitempty"`
	InFlight int     `json:"in_flight_after,omitzero"`

	// Offer is what may be handed out as revocable, with its terms; QoS is what
	// is taken back.
	Offer estimator.Offer `json:"offer"`
	QoS   qos.Decision    `json:"qos"`
	// CandidatesMore counts the candidates that are not listed in QoS.
	CandidatesMore int `json:"candidates_more,omitzero"`
	// Throttled counts the throttles in force. ThrottleUsesCores is what each
	// container in QoS.Actions.Throttles uses, in their order. In the log both
	// lists are there at the first tick and whenever the throttles are not what
	// they were: see Trim.
	Throttled         int              `json:"throttled,omitzero"`
	ThrottleUsesCores []snapshot.Value `json:"throttle_uses_cores,omitempty"`
	// Weighed: Eligible holds every container; it does not at each tick.
	Weighed  bool       `json:"weighed,omitzero"`
	Eligible []Eligible `json:"eligible,omitempty"`

	// TookSeconds is what the tick cost, from the first read to the decision. It
	// is not in the log.
	TookSeconds float64 `json:"took_s,omitzero"`
	// unchanged: the throttles are those of the tick before.
	unchanged bool
}

// ContainerCounts counts top-level containers.
type ContainerCounts struct {
	Regular   int `json:"regular,omitzero"`
	Revocable int `json:"revocable,omitzero"`
	Shared    int `json:"shared,omitzero"`
	// UnknownToAgent are on disk, but the agent does not list them.
	UnknownToAgent int `json:"unknown_to_agent,omitzero"`
	// NotOnDisk are listed by the agent, but have no cgroup.
	NotOnDisk int `json:"not_on_disk,omitzero"`
	// Unreadable are on disk, but their CPU use is not known.
	Unreadable int `json:"unreadable,omitzero"`
}

// Dying is a kill that is under way.
type Dying struct {
	qos.InFlight
	// Cores and WorkingSetBytes are what its container still uses.
	Cores           snapshot.Value `json:"cores,omitzero"`
	WorkingSetBytes snapshot.Value `json:"working_set_bytes,omitzero"`
}

// Eligible is one container as a possible victim, whether or not one is wanted.
type Eligible struct {
	qos.Candidate
	Tasks []string `json:"tasks,omitempty"`
}

// OfferWhy is what decided an offer of r: its own code, or what has stopped it.
func (r *Record) OfferWhy(o *estimator.ResourceOffer) reason.Code {
	switch {
	case o.Why != reason.Stopped:
		return o.Why
	case r.Commands.Paused:
		return reason.Paused
	case r.QoS.Budget.Open():
		return reason.BudgetSpent
	}
	return reason.Stopped
}

// UsageAge is the age of the agent's report.
func (r *Record) UsageAge() time.Duration {
	return time.Duration(r.UsageAgeSeconds * float64(time.Second))
}

// Trim is r as it is logged: without what the tick cost, which no replay finds
// again, and without throttles that are those of the tick before, which would be
// most of a log.
func (r *Record) Trim() *Record {
	line := *r
	line.TookSeconds = 0
	if !r.unchanged {
		return &line
	}
	line.QoS.Actions.Throttles, line.ThrottleUsesCores = nil, nil
	return &line
}

// Append appends r's line of the log, with its end.
func (r *Record) Append(b []byte) ([]byte, error) {
	line, err := json.Marshal(r.Trim())
	if err != nil {
		return b, fmt.Errorf("record of tick %d: %w", r.Seq, err)
	}
	return append(append(b, line...), '\n'), nil
}

// Parse reads a line of the log. Fields that it does not know are passed over: a
// later build may have added them.
func Parse(line []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if r.Version != Version {
		return nil, fmt.Errorf("%w: version %d, this build reads %d", ErrRecord, r.Version, Version)
	}
	return r, nil
}

// AllKills are the containers that are killed, and those that rules in shadow
// mode would have killed.
func (r *Record) AllKills() []qos.Identity {
	var all []qos.Identity
	for _, v := range r.QoS.Kills {
		all = append(all, v.Identity())
	}
	if r.QoS.Shadow != nil {
		for _, v := range r.QoS.Shadow.Kills {
			all = append(all, v.Identity())
		}
	}
	return all
}
