package control

import (
	"sync"
	"time"

	"github.com/estimatord/estimatord/qos"
)

// Desk is where orders lie until the loop takes them. Its methods are for any
// goroutine.
type Desk struct {
	mu    sync.Mutex
	reset bool
	// paused is since when, zero while it is not. A restart ends it: nobody
	// should have to look for why a node that was repaired long ago offers
	// nothing.
	paused time.Time
}

// Take returns the orders since the last call, and those that last.
func (d *Desk) Take() qos.Orders {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := qos.Orders{ResetBudget: d.reset, Paused: !d.paused.IsZero()}
	d.reset = false
	return o
}

// PausedSince is since when the daemon is paused, zero while it is not.
func (d *Desk) PausedSince() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused
}

func (d *Desk) resetBudget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset = true
}

// pause reports whether it was paused before.
func (d *Desk) pause(now time.Time) (was bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if was = !d.paused.IsZero(); !was {
		d.paused = now
	}
	return was
}

// resume reports whether it was paused before.
func (d *Desk) resume() (was bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was = !d.paused.IsZero()
	d.paused = time.Time{}
	return was
}
