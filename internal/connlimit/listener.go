// Package connlimit bounds what all callers of a listener together can take.
package connlimit

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// Listener accepts a bounded number of connections.
type Listener struct {
	net.Listener
	// Most connections may be open at a time.
	Most int
	// EvictOldest closes the oldest connection for one too many: whoever holds
	// many open keeps nobody out. Otherwise the new one is closed: who is served
	// stays served.
	EvictOldest bool
	// Every is the time between two accepted connections in the long run, Burst how
	// many may come at once. They bound the CPU time that callers can take. 0: no
	// such bound.
	Every time.Duration
	Burst int

	// due is when the next connection is accepted if many come.
	due time.Time

	mu   sync.Mutex
	open list.List // of *conn, the oldest first
}

// Accept implements net.Listener. It is for one goroutine.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.pace(time.Now())
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		counted := &conn{Conn: c, listener: l}
		surplus := l.add(counted)
		if surplus != nil {
			_ = surplus.Close()
		}
		if surplus != counted {
			return counted, nil
		}
	}
}

// pace waits until the next connection is due.
func (l *Listener) pace(now time.Time) {
	if earliest := now.Add(-time.Duration(l.Burst) * l.Every); l.due.Before(earliest) {
		l.due = earliest
	}
	l.due = l.due.Add(l.Every)
	time.Sleep(l.due.Sub(now))
}

// add takes c in, and returns the connection that has to go for it, if any.
func (l *Listener) add(c *conn) (surplus *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.place = l.open.PushBack(c)
	switch {
	case l.open.Len() <= l.Most:
		return nil
	case l.EvictOldest:
		return l.open.Front().Value.(*conn)
	}
	return c
}

// conn is a connection that its listener counts until it is closed.
type conn struct {
	net.Conn
	listener *Listener
	place    *list.Element
}

// NetConn is the connection itself.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.listener.open.Remove(c.place) // which does nothing a second time
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
