package decision

import (
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/snapshot"
)

// New makes the record of the tick that saw s and decided offer and q, with
// inFlight kills not yet confirmed.
func New(s *snapshot.Snapshot, offer estimator.Offer, q qos.Decision, inFlight int) *Record {
	r := &Record{
		Seq: s.Seq, At: s.At, Offer: offer, QoS: q, InFlight: inFlight,
		Containers: count(s.Containers), TreeWhy: s.TreeWhy, HostWhy: s.Host.BusyCores.Why,
	}
	if s.Usage != nil {
		r.Agent = s.Usage.Agent
		r.UsageAge, _ = s.UsageAge()
	}
	return r
}

func count(containers []snapshot.Container) (n ContainerCounts) {
	for i := range containers {
		c := &containers[i]
		if c.Parent != "" {
			continue
		}
		switch c.Class() {
		case snapshot.ClassUnknown:
			n.UnknownToAgent++
		case snapshot.ClassRegular:
			n.Regular++
		case snapshot.ClassRevocable:
			n.Revocable++
		case snapshot.ClassShared:
			n.Shared++
		}
		switch {
		case !c.OnDisk:
			n.NotOnDisk++
		case !c.CPU.UsageNanos.OK():
			n.Unreadable++
		}
	}
	return n
}
