package qos

import (
	"errors"
	"fmt"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// ErrNotRevocable says that a victim was asked for from a container that is not
// revocable, or of which the agent has said nothing.
var ErrNotRevocable = errors.New("not a revocable container")

// Victim is a container that may be killed. Its fields are unexported and
// NewVictim is the only way to fill them, so that a regular container cannot
// become one. The zero Victim names nothing and is refused everywhere.
type Victim struct {
	key                     snapshot.Key
	frameworkID, executorID string
	rule, text              string
}

// Cause is why a container is killed.
type Cause struct {
	// Rule is the name of the policy's rule.
	Rule string
	// Text is the sentence for people, with the readings that led to it.
	Text string
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
		return Victim{key: c.Key, frameworkID: e.FrameworkID, executorID: e.ExecutorID, rule: cause.Rule, text: cause.Text}, nil
	}
}

// Valid reports whether v was made by NewVictim.
func (v Victim) Valid() bool { return v.key.ID != "" }

// Key is the container's identity.
func (v Victim) Key() snapshot.Key { return v.key }

// FrameworkID is the framework of the container's executor.
func (v Victim) FrameworkID() string { return v.frameworkID }

// ExecutorID is the container's executor.
func (v Victim) ExecutorID() string { return v.executorID }

// Cause is why it is killed.
func (v Victim) Cause() Cause { return Cause{Rule: v.rule, Text: v.text} }
