package control

import (
	"sync"
	"time"

	"github.com/estimatord/estimatord/qos"
)

// Pending are the commands of operators that the loop has not taken yet. Its
// methods are for any goroutine.
type Pending struct {
	mu    sync.Mutex
	reset bool
	// paused is since when, zero while it is not. A restart ends it: nobody
	// should have to look for why a node that was repaired long ago offers
	// nothing.
	paused time.Time
}

// Take returns the orders since the last call, and those that last.
func (p *Pending) Take() qos.Commands {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := qos.Commands{ResetBudget: p.reset, Paused: !p.paused.IsZero()}
	p.reset = false
	return o
}

// PausedSince is since when the daemon is paused, zero while it is not.
func (p *Pending) PausedSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

func (p *Pending) resetBudget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset = true
}

// setPaused begins a pause at that time, or ends it with the zero time, and
// reports whether it was paused before. A pause that goes on keeps its begin.
func (p *Pending) setPaused(since time.Time) (was bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was = !p.paused.IsZero()
	if !was || since.IsZero() {
		p.paused = since
	}
	return was
}
