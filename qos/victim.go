package qos

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// ErrNotRevocable says that a victim was asked for from a container that is not
// revocable, or of which the agent has said nothing.
var ErrNotRevocable = errors.New("not a revocable container")

// Identity names a container that something is taken from, and says why. It is
// what a log or an answer holds of a Victim: nothing acts on an Identity.
type Identity struct {
	snapshot.Key
	FrameworkID string `json:"framework_id"`
	ExecutorID  string `json:"executor_id"`
	Cause
}

// Cause is why something is taken from a container.
type Cause struct {
	// Rule is the name of the policy's rule.
	Rule string `json:"rule,omitzero"`
	// Text is the sentence for people, with the readings that led to it; kills
	// have one.
	Text string `json:"text,omitzero"`
}

// Victim is a container that may be throttled, frozen or killed. NewVictim is
// the only way to one that can be acted on, so that a regular container cannot
// become one. The zero Victim, and one that was read from JSON, name nothing to
// whoever acts and are refused everywhere; Identity reads both.
type Victim struct {
	id Identity
	// revocable: NewVictim has made it. Nothing else sets this.
	revocable bool
}

// NewVictim makes a Victim of c. It fails with ErrNotRevocable unless the agent
// listed c in the snapshot's report with every task on revocable resources, at
// top level, with all three ids that a kill needs.
func NewVictim(c *snapshot.Container, cause Cause) (Victim, error) {
	switch e := c.Executor; {
	case e == nil:
		return Victim{}, fmt.Errorf("%w: %s is unknown to the agent", ErrNotRevocable, c.ID)
	case e.Class != snapshot.ClassRevocable || e.Classify() != snapshot.ClassRevocable:
		return Victim{}, fmt.Errorf("%w: %s is %s", ErrNotRevocable, c.ID, e.Class)
	case c.Parent != "" || c.ID == "" || c.ID != e.ContainerID || e.FrameworkID == "" || e.ExecutorID == "":
		return Victim{}, fmt.Errorf("%w: %q lacks an id or is nested", ErrNotRevocable, c.ID)
	default:
		return Victim{id: Identity{Key: c.Key, FrameworkID: e.FrameworkID, ExecutorID: e.ExecutorID, Cause: cause}, revocable: true}, nil
	}
}

// Valid reports whether v was made by NewVictim.
func (v Victim) Valid() bool { return v.revocable }

// acting is v's identity for whoever acts on it: nothing unless NewVictim made v.
func (v Victim) acting() Identity {
	if !v.revocable {
		return Identity{}
	}
	return v.id
}

// Key is the container to act on; the zero Key unless v is valid.
func (v Victim) Key() snapshot.Key { return v.acting().Key }

// FrameworkID is the framework of the container's executor; "" unless v is valid.
func (v Victim) FrameworkID() string { return v.acting().FrameworkID }

// ExecutorID is the container's executor; "" unless v is valid.
func (v Victim) ExecutorID() string { return v.acting().ExecutorID }

// Cause is why it is acted on; nothing unless v is valid.
func (v Victim) Cause() Cause { return v.acting().Cause }

// Identity is which container v names, for people; also of a Victim that was
// read from JSON.
func (v Victim) Identity() Identity { return v.id }

// MarshalJSON writes v's Identity.
func (v Victim) MarshalJSON() ([]byte, error) { return json.Marshal(v.id) }

// UnmarshalJSON reads an Identity. The result is not valid, whatever v was.
func (v *Victim) UnmarshalJSON(text []byte) error {
	*v = Victim{}
	return json.Unmarshal(text, &v.id)
}
