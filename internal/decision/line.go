package decision

import (
	"encoding/json"
	"errors"
	"fmt"
)

// LineVersion is that of the Lines that are written. A field may be added
// without a new one; none is renamed or given another meaning.
const LineVersion = 1

// ErrLine is the class of what is no Line of this version.
var ErrLine = errors.New("not a line of a decision log")

// Line is a Record as it is logged: one JSON object on a line of its own. Its
// fields come in this order. What is zero, empty or false is left out. Times
// are seconds before the tick (…_s, may be negative: after it), amounts of
// resources in their own unit.
type Line struct {
	Version int     `json:"v"`
	Seq     uint64  `json:"seq"`
	At      Instant `json:"at"`
	Policy  string  `json:"policy"`

	Agent    string   `json:"agent,omitzero"`
	UsageAge *Seconds `json:"usage_age_s,omitempty"`
	// TreeWhy is "" when the container tree could be read.
	TreeWhy    string          `json:"tree_why,omitzero"`
	Host       HostLine        `json:"host"`
	Contention *ContentionLine `json:"squeeze,omitempty"`
	Containers ContainersLine  `json:"containers"`
	Orders     []string        `json:"orders,omitempty"`
	Limits     LimitsLine      `json:"limits,omitzero"`
	Promises   []PromiseLine   `json:"promises,omitempty"`
	Signals    []SignalLine    `json:"signals,omitempty"`
	InFlight   []DyingLine     `json:"in_flight,omitempty"`
	// After is the number of kills under way after the tick.
	After int `json:"in_flight_after,omitzero"`

	Offer []OfferLine `json:"offer"`
	DecidedLine
	Shadow *ShadowLine `json:"shadow,omitempty"`
	// Weighed: Eligible holds every container; it does not at each tick.
	Weighed  bool           `json:"weighed,omitzero"`
	Eligible []EligibleLine `json:"eligible,omitempty"`
}

// HostLine is what was read of the host.
type HostLine struct {
	Age            Seconds `json:"age_s,omitzero"`
	CPUs           Value   `json:"cpus,omitzero"`
	UsableCPUs     Value   `json:"usable_cpus,omitzero"`
	BusyCores      Value   `json:"busy_cores,omitzero"`
	Load1          Value   `json:"load1,omitzero"`
	Load5          Value   `json:"load5,omitzero"`
	Load15         Value   `json:"load15,omitzero"`
	MemTotal       Value   `json:"mem_total_bytes,omitzero"`
	MemAvailable   Value   `json:"mem_available_bytes,omitzero"`
	CPUPressure    Value   `json:"cpu_some,omitzero"`
	MemoryPressure Value   `json:"memory_some,omitzero"`
	MemoryFull     Value   `json:"memory_full,omitzero"`
}

// ContentionLine is what the last look between the ticks saw.
type ContentionLine struct {
	State     string  `json:"state"`
	Why       string  `json:"why"`
	Age       Seconds `json:"age_s,omitzero"`
	Container string  `json:"container,omitzero"`
	Degree    float64 `json:"degree,omitzero"`
	Since     Seconds `json:"since_s,omitzero"`
}

// ContainersLine counts top-level containers.
type ContainersLine struct {
	Regular        int `json:"regular,omitzero"`
	Revocable      int `json:"revocable,omitzero"`
	Shared         int `json:"shared,omitzero"`
	UnknownToAgent int `json:"unknown_to_agent,omitzero"`
	NotOnDisk      int `json:"not_on_disk,omitzero"`
	Unreadable     int `json:"unreadable,omitzero"`
}

// LimitsLine are those of the policy.
type LimitsLine struct {
	KillsAtOnce  int     `json:"kills_at_once"`
	IgnoredAfter Seconds `json:"ignored_after_s"`
	BudgetKills  int     `json:"budget_kills"`
	BudgetPer    Seconds `json:"budget_per_s"`
	MinAge       Seconds `json:"min_age_s,omitzero"`
	MinUsage     float64 `json:"min_usage,omitzero"`
}

// PromiseLine is what the offer before took for granted.
type PromiseLine struct {
	Resource  string `json:"resource"`
	Peak      Amount `json:"peak"`
	Allocated Amount `json:"allocated"`
	Lent      Amount `json:"lent"`
}

// SignalLine is what one signal reads.
type SignalLine struct {
	Signal string `json:"signal"`
	Value  Value  `json:"value,omitzero"`
	Worst  string `json:"worst,omitzero"`
}

// KeyLine names a container.
type KeyLine struct {
	ID    string `json:"id"`
	Inode uint64 `json:"inode,omitzero"`
}

// DyingLine is a kill that was under way before the tick.
type DyingLine struct {
	KeyLine
	Since      Seconds `json:"since_s"`
	Cores      Value   `json:"cores,omitzero"`
	WorkingSet Value   `json:"working_set_bytes,omitzero"`
}

// OfferLine is the offer of one resource with its terms: see
// estimator.ResourceOffer.
type OfferLine struct {
	Resource  string       `json:"resource"`
	Allocated Amount       `json:"allocated"`
	Usage     Amount       `json:"usage"`
	Demand    Amount       `json:"demand"`
	Peak      Amount       `json:"peak"`
	Margin    Amount       `json:"margin"`
	Unmanaged Amount       `json:"unmanaged"`
	Slack     Amount       `json:"slack"`
	Cap       *Amount      `json:"cap,omitempty"`
	Target    Amount       `json:"target"`
	Governor  GovernorLine `json:"governor,omitzero"`
	Gross     Amount       `json:"gross"`
	Held      Amount       `json:"allocated_revocable"`
	Free      Amount       `json:"free"`
	Why       string       `json:"why"`
}

// GovernorLine is what the governor knew: see estimator.Terms.
type GovernorLine struct {
	Before   Amount  `json:"before"`
	Least    Amount  `json:"least"`
	HoldFor  Seconds `json:"hold_for_s,omitzero"`
	RaiseIn  Seconds `json:"raise_in_s,omitzero"`
	Stopped  bool    `json:"stopped,omitzero"`
	Quantum  Amount  `json:"quantum"`
	Step     Amount  `json:"step"`
	DeadBand Amount  `json:"dead_band"`
	Reserve  Amount  `json:"reserve,omitzero"`
}

// DecidedLine is what a set of rules decided.
type DecidedLine struct {
	Why          string       `json:"why"`
	Rules        []RuleLine   `json:"rules,omitempty"`
	Ladders      []LadderLine `json:"ladders,omitempty"`
	StopOffering bool         `json:"stop_offering,omitzero"`
	Acted        bool         `json:"acted,omitzero"`
	// Throttled is how many throttles are in force. Throttles are those: at the
	// first tick and whenever they are not what they were.
	Throttled int            `json:"throttled,omitzero"`
	Throttles []ThrottleLine `json:"throttles,omitempty"`
	Freezes   []VictimLine   `json:"freezes,omitempty"`
	// Candidates are the first of those that were weighed for each resource, and
	// the chosen ones; More is how many are left out.
	Candidates []CandidateLine `json:"candidates,omitempty"`
	More       int             `json:"candidates_more,omitzero"`
	Kills      []VictimLine    `json:"kills,omitempty"`
	Gone       *Seconds        `json:"gone_s,omitempty"`
	Budget     BudgetLine      `json:"budget,omitzero"`
}

// RuleLine is one rule.
type RuleLine struct {
	Name      string     `json:"name"`
	Signal    string     `json:"signal"`
	Resource  string     `json:"resource"`
	Action    string     `json:"action"`
	Immediate bool       `json:"immediate,omitzero"`
	PerCPU    bool       `json:"per_cpu,omitzero"`
	Value     Value      `json:"value,omitzero"`
	Above     float64    `json:"above"`
	Clear     float64    `json:"clear"`
	While     *WhileLine `json:"while,omitempty"`
	For       Seconds    `json:"for_s"`
	Settle    Seconds    `json:"settle_s"`
	Missing   Value      `json:"missing,omitzero"`
	Worst     string     `json:"worst,omitzero"`
	Exceeded  bool       `json:"exceeded,omitzero"`
	Since     *Seconds   `json:"since_s,omitempty"`
	Held      bool       `json:"held,omitzero"`
	Why       string     `json:"why"`
	Text      string     `json:"text,omitzero"`
}

// WhileLine is a rule's second condition.
type WhileLine struct {
	Signal string  `json:"signal"`
	Above  float64 `json:"above"`
}

// LadderLine is one resource's ladder.
type LadderLine struct {
	Resource string   `json:"resource"`
	Rung     string   `json:"rung"`
	Wanted   string   `json:"wanted"`
	Since    *Seconds `json:"since_s,omitempty"`
	Limit    float64  `json:"limit,omitzero"`
	Rule     string   `json:"rule,omitzero"`
}

// VictimLine is a container that is frozen or killed.
type VictimLine struct {
	KeyLine
	Framework string `json:"framework"`
	Executor  string `json:"executor"`
	Rule      string `json:"rule,omitzero"`
	Text      string `json:"text,omitzero"`
}

// ThrottleLine is a throttle in force.
type ThrottleLine struct {
	KeyLine
	Uses       Value   `json:"uses_cores,omitzero"`
	Cores      float64 `json:"cores,omitzero"`
	LowWeight  bool    `json:"low_weight,omitzero"`
	MemoryHigh uint64  `json:"memory_high_bytes,omitzero"`
}

// CandidateLine is a container that was weighed as a victim.
type CandidateLine struct {
	KeyLine
	Framework string  `json:"framework,omitzero"`
	Executor  string  `json:"executor,omitzero"`
	Resource  string  `json:"resource"`
	Usage     float64 `json:"usage"`
	Over      float64 `json:"over"`
	Priority  int     `json:"priority,omitzero"`
	Age       Seconds `json:"age_s"`
	Why       string  `json:"why"`
}

// EligibleLine is a container as a possible victim.
type EligibleLine struct {
	CandidateLine
	Tasks []string `json:"tasks,omitempty"`
}

// BudgetLine is what is left of the kill budget after the tick.
type BudgetLine struct {
	Left int      `json:"left"`
	Used int      `json:"used"`
	Open *Seconds `json:"open_s,omitempty"`
}

// ShadowLine is what the rules in shadow mode would have decided.
type ShadowLine struct {
	DecidedLine
	Deducted int           `json:"deducted,omitzero"`
	Outcomes []OutcomeLine `json:"outcomes,omitempty"`
}

// OutcomeLine is what became of a kill that was only decided.
type OutcomeLine struct {
	KeyLine
	Rule    string `json:"rule"`
	Cleared bool   `json:"cleared,omitzero"`
}

// ParseLine is the inverse of Append. Fields that it does not know are passed
// over: a later build may have added them.
func ParseLine(b []byte) (*Line, error) {
	l := &Line{}
	if err := json.Unmarshal(b, l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLine, err)
	}
	if l.Version != LineVersion {
		return nil, fmt.Errorf("%w: version %d, this build reads %d", ErrLine, l.Version, LineVersion)
	}
	return l, nil
}
