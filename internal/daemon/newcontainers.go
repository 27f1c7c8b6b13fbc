package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// wakeEvery bounds the early ticks for new containers: a framework may launch
// hundreds.
const wakeEvery = 250 * time.Millisecond

// newContainers wakes the loop when a cgroup is made where the agent's containers
// are: it may be of a role that comes for its reservation, and what was offered of
// that must not go on for a whole interval. It is a tick.Observer.
type newContainers struct {
	dir     string
	watcher *fsnotify.Watcher
	wake    func()
	log     *slog.Logger
	// owed is what owners had come for at the last tick.
	owed resources.Quantities
	// watched: dir was there at the last tick, and is watched.
	watched bool
}

func watchContainers(dir string, wake func(), log *slog.Logger) (*newContainers, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &newContainers{dir: dir, watcher: w, wake: wake, log: log}, nil
}

// Observe watches the directory when it has come: the agent makes it. A watch
// ends by itself with its directory. That an owner has come is known when the offer
// is made, which is after the decisions of a tick: the next one must not wait.
func (n *newContainers) Observe(r *decision.Record, _ *snapshot.Snapshot) {
	for i := range r.Offer.Resources {
		o := &r.Offer.Resources[i]
		if o.Allocation == nil {
			continue
		}
		if o.Allocation.Owed > n.owed.Get(o.Resource) {
			n.wake()
		}
		n.owed.Set(o.Resource, o.Allocation.Owed)
	}
	before := n.watched
	n.watched = n.watcher.Add(n.dir) == nil
	if n.watched != before {
		n.log.Debug("new containers", "dir", n.dir, "watched", n.watched)
	}
}

// run wakes until ctx ends.
func (n *newContainers) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return n.watcher.Close()
		case e := <-n.watcher.Events:
			if !e.Has(fsnotify.Create) {
				continue
			}
			n.wake()
			select {
			case <-ctx.Done():
			case <-time.After(wakeEvery): // what comes meanwhile is in the queue, and wakes again
			}
		case err := <-n.watcher.Errors:
			n.log.Warn("new containers are noticed at the next tick only", "err", err)
		}
	}
}
