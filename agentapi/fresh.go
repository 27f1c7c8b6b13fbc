package agentapi

import (
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// freshness decides when to ask the agent for a fresh report: when a container
// is on disk that the last one does not list. It asks once per container, since
// there are some that an agent never lists (orphans, debug containers), and at
// most once per interval.
type freshness struct {
	every time.Duration

	asked  map[snapshot.Key]struct{}
	wanted bool
	last   time.Time
}

// observe looks for containers that latest does not list and reports whether a
// fresh report has come to be wanted.
func (f *freshness) observe(s *snapshot.Snapshot, latest *snapshot.Usage) (woke bool) {
	if latest == nil || s.TreeWhy != snapshot.Present {
		return false
	}
	unlisted := map[snapshot.Key]struct{}{}
	for i := range s.Containers {
		if c := &s.Containers[i]; c.OnDisk && c.Parent == "" && c.Executor == nil {
			unlisted[c.Key] = struct{}{}
		}
	}
	if len(unlisted) > 0 && latest != s.Usage {
		ids := map[string]bool{}
		for i := range latest.Executors {
			ids[latest.Executors[i].ContainerID] = true
		}
		for k := range unlisted {
			if ids[k.ID] {
				delete(unlisted, k)
			}
		}
	}
	for k := range f.asked {
		if _, ok := unlisted[k]; !ok {
			delete(f.asked, k)
		}
	}
	if len(unlisted) == len(f.asked) || s.At.Sub(f.last) < f.every {
		return false
	}
	f.asked, f.last, f.wanted = unlisted, s.At, true
	return true
}

// received takes that a report has come in, and reports whether one was asked for.
func (f *freshness) received() (asked bool) {
	asked, f.wanted = f.wanted, false
	return asked
}
