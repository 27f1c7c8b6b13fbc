// Package decision holds the record of what a tick decided and why: the one
// thing that logs, metrics, the status page and the demo show.
package decision

import (
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/snapshot"
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
