package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// DefaultMaxContainers bounds the series of a scrape at about eight times as
// many; the busiest nodes run some thousand containers.
const DefaultMaxContainers = 5000

// Containers shows what was read of each container, as /metrics/containers. It
// is a loop.Watcher, which copies each snapshot, and an http.Handler, which
// renders the newest copy.
//
// It is rendered by hand, since the general way costs some 40 µs per container
// and scrape and would be the better part of what the whole daemon takes.
type Containers struct {
	// max is how many containers are shown at most; top-level ones come first.
	max int
	// stale is how old the newest copy may be: after it there is no answer,
	// rather than an old number that looks like a new one.
	stale time.Duration
	now   func() time.Time

	mu sync.Mutex
	// newest is the copy that a scrape is given; spare ones take turns.
	newest *containerCopy
	spare  []*containerCopy

	buffers chan *containerText
}

// containerCopy is the containers of one tick. It is written by the loop while
// nobody reads it, and read while the loop does not write it.
type containerCopy struct {
	rows    []snapshot.Container
	at      time.Time
	readers int
}

// NewContainers makes a Containers that shows max containers at most (0:
// DefaultMaxContainers) and no tick older than stale.
func NewContainers(maxContainers int, stale time.Duration) *Containers {
	if maxContainers == 0 {
		maxContainers = DefaultMaxContainers
	}
	// Two scrapers at a time need no new buffers; more are served, too.
	return &Containers{max: maxContainers, stale: stale, now: time.Now, buffers: make(chan *containerText, 2)}
}

// Watch copies a snapshot; strings and executors never change and are shared.
func (c *Containers) Watch(s *snapshot.Snapshot) {
	c.mu.Lock()
	var next *containerCopy
	if n := len(c.spare); n > 0 {
		next, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		next = &containerCopy{}
	}
	c.mu.Unlock()

	clear(next.rows[min(len(s.Containers), len(next.rows)):]) // keeps no old report alive
	next.rows = append(next.rows[:0], s.Containers...)
	next.at = s.At

	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.newest
	c.newest = next
	if before != nil && before.readers == 0 {
		c.spare = append(c.spare, before)
	}
}

// take gives the newest copy to a reader; nil before the first tick.
func (c *Containers) take() *containerCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest != nil {
		c.newest.readers++
	}
	return c.newest
}

// release takes it back.
func (c *Containers) release(p *containerCopy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.readers--
	if p.readers == 0 && p != c.newest {
		c.spare = append(c.spare, p)
	}
}

// contentType is that of the text exposition format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// ServeHTTP answers a scrape.
func (c *Containers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p := c.take()
	if p == nil {
		http.Error(w, "no tick yet", http.StatusServiceUnavailable)
		return
	}
	defer c.release(p)
	if age := c.now().Sub(p.at); age > c.stale {
		http.Error(w, "the last tick is "+age.Round(time.Millisecond).String()+" old", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", contentType)
	var text *containerText
	select {
	case text = <-c.buffers:
	default:
		text = newContainerText()
	}
	// A scraper that hangs up has its answer in the error it made.
	_ = text.render(w, p, c.max)
	select {
	case c.buffers <- text:
	default:
	}
}
