package agentclient

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

const (
	// tolerance is the share by which two readings of one CPU time may differ: the
	// agent's are in clock ticks.
	tolerance = 0.1
	// spread is how far apart the readings of one answer can be, beyond that.
	spread = 2 * time.Second
)

// Disagreements are the containers whose CPU time by the agent is not what their
// cgroups say, by more than a tenth. The containers were
// read at the time at on a machine of so many processors. A container whose age is
// not known to be above the time between the two readings is left out.
func (s *State) Disagreements(containers []snapshot.Container, at time.Time, processors float64) (ids []string) {
	apart := at.Sub(s.At).Abs() + spread
	ours := map[string]*snapshot.Container{}
	for i := range containers {
		c := &containers[i]
		if c.Parent == "" && c.OnDisk && c.CPU.UsageNanos.OK() {
			ours[c.ID] = c
		}
	}
	for i := range s.Containers {
		theirs := &s.Containers[i]
		c := ours[theirs.ID]
		if c == nil || !theirs.CPUSeconds.OK() || at.Sub(c.FirstSeen) < apart {
			continue
		}
		used := float64(c.CPU.UsageNanos.N) / 1e9
		most := tolerance*math.Max(used, theirs.CPUSeconds.V) + apart.Seconds()*processors
		if math.Abs(used-theirs.CPUSeconds.V) > most {
			ids = append(ids, theirs.ID)
		}
	}
	return ids
}
