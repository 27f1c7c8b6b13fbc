// Package policy holds what a policy file says: when to take back from revocable
// containers, how far, and from whom.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// ErrPolicy is the class of what Policy.Validate refuses.
var ErrPolicy = errors.New("invalid policy")

// Policy says when to take back, and from whom. It does not change once it is
// in use.
type Policy struct {
	// Shadow: nothing is done. What would be done is decided and shown.
	Shadow bool `json:"shadow,omitzero"`
	// Rules are judged together each tick.
	Rules []Rule `json:"rules"`
	// Ladder says how the rungs are climbed and left.
	Ladder Ladder `json:"ladder"`
	// Budget bounds the kills.
	Budget Budget `json:"budget"`
	// Victims says which containers may be killed, and in which order.
	Victims Victims `json:"victims"`
	// Fresh limits how old an input may be. It is a setting of the daemon, so
	// the hash leaves it out.
	Fresh Fresh `json:"-"`

	// hash is set by Validate, of the policy that hashOf points to: a copy that is
	// changed has another one.
	hash   string
	hashOf *Policy
}

// NoHash is the hash of no policy at all.
const NoHash = "none"

// hashDigits are enough to tell the policies of one node apart.
const hashDigits = 12

// Hash tells policies apart: the first digits of the SHA-256 of its values as
// JSON, the same in the log, metrics and answers; NoHash of a nil Policy. It is
// computed once, when the policy is validated.
func (p *Policy) Hash() string {
	switch {
	case p == nil:
		return NoHash
	case p.hashOf == p:
		return p.hash
	}
	b, err := json.Marshal(p)
	if err != nil { // a number that JSON does not know, which Validate refuses
		return "invalid"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// Rule is one condition and what is done about it.
type Rule struct {
	// Name is unique in its policy; logs and metrics carry it.
	Name string `json:"name"`
	// Signal is what is read, a row of the table in package signal.
	Signal Signal `json:"signal"`
	// Above is the threshold, in the signal's unit. Clear is the level, not
	// above it, at which an active rule has cleared; between the two things stay
	// as they are.
	Above float64 `json:"above"`
	Clear float64 `json:"clear"`
	// PerCPU divides the reading by the machine's number of CPUs first; for
	// load averages.
	PerCPU bool `json:"per_cpu,omitzero"`
	// While is a second condition: without it the reading counts as not above.
	// The zero While is no condition.
	While While `json:"while,omitzero"`
	// For is how long the reading must have been above without interruption
	// before the rule is active.
	For time.Duration `json:"for_ns"`
	// Action is the highest rung that the rule asks for.
	Action Rung `json:"action"`
	// Immediate: the action is taken as soon as the rule is active, without
	// the rungs below it.
	Immediate bool `json:"immediate,omitzero"`
	// Settle is how long after a victim is gone the rule takes no other: its
	// relief is not in the readings before.
	Settle time.Duration `json:"settle_ns"`
	// Shadow: what the rule would do is decided and shown, and not done.
	Shadow bool `json:"shadow,omitzero"`
}

// While is a condition of a rule beside its own.
type While struct {
	Signal Signal  `json:"signal"`
	Above  float64 `json:"above"`
}

// Ladder says how the rungs are climbed and left.
type Ladder struct {
	// Dwell is how long nothing has asked for a rung before it is left, and the
	// time between two steps by which a throttle is loosened. Longer is calmer,
	// shorter gives back sooner.
	Dwell time.Duration `json:"dwell_ns"`
	// FloorCores is what each throttled container keeps at least, in cores. The
	// kernel's least is 0.01 (1 ms in each 100 ms).
	FloorCores float64 `json:"floor_cores"`
	// Loosen is by which share of itself a throttle is loosened at a step.
	Loosen float64 `json:"loosen"`
	// FreezeFor is the longest that a container is frozen; 0: none ever is, the
	// ladder has no such rung.
	FreezeFor time.Duration `json:"freeze_for_ns"`
	// KillsAtOnce is how many kills may be under way together; more than one
	// only where a rule's reading says that one does not bring enough.
	KillsAtOnce int `json:"kills_at_once"`
	// IgnoredAfter is how long a kill may be under way before it counts as
	// ignored: its container brings no relief, and no kill waits for it any
	// more.
	IgnoredAfter time.Duration `json:"ignored_after_ns"`
}

// Budget bounds the kills: when it is spent, a breaker opens: nothing is
// offered and nothing is killed any more until half of it is there again, or an
// operator resets it. Whoever needs more kills than that has another problem.
type Budget struct {
	// Kills is how many are allowed in Per.
	Kills int           `json:"kills"`
	Per   time.Duration `json:"per_ns"`
}

// Fresh limits how old an input may be. Something older is not an input: a
// rule that needs it is blind.
type Fresh struct {
	// Usage is the limit for the agent's report.
	Usage time.Duration
	// Sample is the limit for a reading of the host or of a container. It is
	// also the longest gap between two ticks that does not interrupt a rule.
	Sample time.Duration
}

// DefaultFresh is what the daemon starts from.
func DefaultFresh() Fresh {
	return Fresh{
		// Three of the agent's reports, which come every 15 s by default
		// (oversubscribed_resources_interval, src/slave/flags.cpp); the long
		// poll brings one every 10 s at the latest.
		Usage: 45 * time.Second,
		// Ten ticks: a node that was not looked at for 10 s has not been seen
		// (koordlet's limit for the same reading is 10 s as well).
		Sample: 10 * time.Second,
	}
}

// DefaultPolicy is a policy without rules, with everything else as a policy
// file starts from.
func DefaultPolicy() Policy {
	return Policy{
		Ladder: Ladder{
			// Crane restores after 3 good readings and koordlet after 10 s and more;
			// shorter than the 15 s after which the agent hears of it is of no use.
			Dwell: 10 * time.Second,
			// A process that gets 2 % of a CPU still answers its executor's
			// heartbeats.
			FloorCores: 0.02,
			// Twice as much in four steps.
			Loosen:      0.2,
			KillsAtOnce: 1,
			// Twice what an agent needs to hear of it (long poll, 10 s) and to
			// destroy a container (frozen and killed, up to 6 s measured).
			IgnoredAfter: 30 * time.Second,
		},
		// No peer has one. A kill each six minutes is about as often as an offer can
		// recover from the last one (hold_after_kill is 5 minutes).
		Budget: Budget{Kills: 10, Per: time.Hour},
		// What an idle executor uses: killing that relieves nothing.
		Victims: Victims{MinUsage: 0.05},
		Fresh:   DefaultFresh(),
	}
}
