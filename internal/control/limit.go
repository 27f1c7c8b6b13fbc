package control

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// Limits of a listener. A scrape or a command takes one connection for some
// milliseconds, so this is enough for all that is meant to be there.
const (
	// maxConns may be open at a time: 32 connections take about 1 MiB.
	maxConns = 32
	// acceptEvery is the time between two accepted connections in the long run,
	// acceptBurst how many may come at once. They bound the CPU time that callers
	// can take from the node through this daemon.
	acceptEvery = 50 * time.Millisecond
	acceptBurst = 32
)

// limitedListener bounds what all callers together can take. Beyond maxConns the
// oldest connection is closed: whoever holds many open must not keep others out.
type limitedListener struct {
	net.Listener
	// due is when the next connection is accepted if many come.
	due time.Time

	mu   sync.Mutex
	open list.List // of *limitedConn, the oldest first
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	now := time.Now()
	if earliest := now.Add(-acceptBurst * acceptEvery); l.due.Before(earliest) {
		l.due = earliest
	}
	l.due = l.due.Add(acceptEvery)
	time.Sleep(l.due.Sub(now))
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	lc := &limitedConn{Conn: c, listener: l}
	if oldest := l.add(lc); oldest != nil {
		_ = oldest.Close()
	}
	return lc, nil
}

// add takes c in, and returns the connection that has to go for it, if any.
func (l *limitedListener) add(c *limitedConn) *limitedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.place = l.open.PushBack(c)
	if l.open.Len() <= maxConns {
		return nil
	}
	return l.open.Front().Value.(*limitedConn)
}

// limitedConn is a connection that its listener counts until it is closed.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	place    *list.Element
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.open.Remove(c.place) // which does nothing a second time
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
