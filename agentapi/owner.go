package agentapi

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/internal/unixsocket"
)

// conn is one connection.
type conn struct {
	caller *unixsocket.Peer
	// closed: it ended, perhaps before a call that came in on it was looked at.
	closed bool
}

// owner is the one agent that the socket serves: the first that reported. It
// stays so while one of its connections is open and it is not silent for
// longer than timeout.
type owner struct {
	timeout time.Duration

	id string
	// since is when it came, heard when it last began or ended a call.
	since, heard time.Time
	// conns are its open connections; calls counts those that are running.
	conns map[*conn]struct{}
	calls int
}

// admitted says how a caller got in.
type admitted struct {
	// took: it is not the agent it was before.
	took bool
	// from is the agent it took over from, "" for the first.
	from string
}

// secondAgentError is the refusal of another agent.
type secondAgentError struct {
	second, first string
	caller        *unixsocket.Peer
	silent        time.Duration
}

// Error implements error.
func (e *secondAgentError) Error() string {
	return fmt.Sprintf("agent %q (%s) refused: this daemon serves agent %q, heard of %s ago; run one estimatord, with its own socket, per agent",
		e.second, e.caller, e.first, e.silent.Round(time.Millisecond))
}

// enter admits a call of agent id on c, or refuses it with a *secondAgentError.
// Every call that was admitted is to be ended with leave.
func (o *owner) enter(id string, c *conn, now time.Time) (a admitted, err error) {
	if id != o.id {
		if o.present(now) {
			return a, &secondAgentError{second: id, first: o.id, caller: c.caller, silent: now.Sub(o.heard)}
		}
		a = admitted{took: true, from: o.id}
		*o = owner{timeout: o.timeout, id: id, since: now, conns: map[*conn]struct{}{}}
	}
	if !c.closed {
		o.conns[c] = struct{}{}
	}
	o.calls++
	o.heard = now
	return a, nil
}

// leave ends a call of agent id.
func (o *owner) leave(id string, now time.Time) {
	if id == o.id {
		o.calls--
		o.heard = now
	}
}

// closed forgets a connection and reports whether it was the owner's last.
func (o *owner) closed(c *conn) (last bool) {
	c.closed = true
	if !o.has(c) {
		return false
	}
	delete(o.conns, c)
	return len(o.conns) == 0
}

// has reports whether c is an open connection of the owner.
func (o *owner) has(c *conn) bool {
	_, ok := o.conns[c]
	return ok
}

func (o *owner) connected() bool { return len(o.conns) > 0 }

// present reports whether the owner still holds the socket.
func (o *owner) present(now time.Time) bool {
	return o.connected() && (o.calls > 0 || now.Sub(o.heard) <= o.timeout)
}
