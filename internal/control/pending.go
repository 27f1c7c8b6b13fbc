package control

import (
	"sync"
	"time"

	"github.com/estimatord/estimatord/qos"
)

// Pause says whether an operator has paused the daemon: nothing is offered and
// nothing is taken.
type Pause struct {
	// PausedSince is since when it is paused, absent while it is not.
	PausedSince time.Time `json:"paused_since,omitzero"`
	// PausedUntil is when it ends by itself, absent when only resume ends it.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// PauseKept: a restart does not end it. One that does is the default, so that
	// nobody has to look for why a node that was repaired long ago offers nothing.
	PauseKept bool `json:"pause_kept,omitzero"`
}

// at is the pause at a time, the zero value when it is over.
func (p Pause) at(now time.Time) Pause {
	if !p.PausedUntil.IsZero() && !now.Before(p.PausedUntil) {
		return Pause{}
	}
	return p
}

// Ends says for people when it ends.
func (p Pause) Ends() string {
	switch {
	case !p.PausedUntil.IsZero() && p.PauseKept:
		return p.PausedUntil.UTC().Format("2006-01-02 15:04 UTC") + " or resume"
	case !p.PausedUntil.IsZero():
		return p.PausedUntil.UTC().Format("2006-01-02 15:04 UTC") + ", resume or a restart (there is no state_file)"
	case p.PauseKept:
		return "resume"
	default:
		return "resume or a restart"
	}
}

// Paused reports whether it is.
func (p Pause) Paused() bool { return !p.PausedSince.IsZero() }

// Pending are the commands of operators that the loop has not taken yet. Its
// methods are for any goroutine.
type Pending struct {
	// Keep is told of every new pause and of its end, nil if nobody needs to know.
	Keep func(Pause)

	mu    sync.Mutex
	reset bool
	pause Pause
}

// Take returns the orders since the last call, and those that last.
func (p *Pending) Take() qos.Commands {
	paused := p.Pause(time.Now()).Paused()
	p.mu.Lock()
	defer p.mu.Unlock()
	o := qos.Commands{ResetBudget: p.reset, Paused: paused}
	p.reset = false
	return o
}

// Pause is that of an operator, the zero value when it is over.
func (p *Pending) Pause(now time.Time) Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pause = p.pause.at(now)
	return p.pause
}

// Restore goes on with the pause of an earlier run, if a restart does not end it.
func (p *Pending) Restore(pause Pause) {
	if pause.PauseKept {
		p.setPause(pause)
	}
}

func (p *Pending) resetBudget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset = true
}

// setPause begins a pause, or ends it with the zero value, and reports whether it
// was paused before. A pause that goes on keeps its begin.
func (p *Pending) setPause(pause Pause) (was bool) {
	p.mu.Lock()
	was = p.pause.Paused()
	if was && pause.Paused() {
		pause.PausedSince = p.pause.PausedSince
	}
	p.pause = pause
	p.mu.Unlock()
	if p.Keep != nil {
		p.Keep(pause)
	}
	return was
}
