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

// pause reports whether it was paused before.
func (p *Pending) pause(now time.Time) (was bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was = !p.paused.IsZero(); !was {
		p.paused = now
	}
	return was
}

// resume reports whether it was paused before.
func (p *Pending) resume() (was bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was = !p.paused.IsZero()
	p.paused = time.Time{}
	return was
}
