package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// DefaultMaxContainers bounds the series of a scrape at about eight times as
// many; the busiest nodes run some thousand containers.
const DefaultMaxContainers = 5000

// Containers shows what was read of each container, as /metrics/containers. It
// is a tick.Observer, which copies each snapshot, and an http.Handler, which
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
	pages sync.Pool // of *containerText

	// mu is locked while a tick is copied, and while a page is rendered to memory.
	mu   sync.Mutex
	rows []snapshot.Container
	at   time.Time
}

// NewContainers makes a Containers that shows max containers at most (0:
// DefaultMaxContainers) and no tick older than stale.
func NewContainers(maxContainers int, stale time.Duration) *Containers {
	if maxContainers == 0 {
		maxContainers = DefaultMaxContainers
	}
	return &Containers{max: maxContainers, stale: stale, now: time.Now, pages: sync.Pool{New: func() any { return &containerText{} }}}
}

// Observe copies a snapshot; strings and executors never change and are shared.
// The loop does not wait for a page: it leaves the tick out.
func (c *Containers) Observe(_ *decision.Record, s *snapshot.Snapshot) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	clear(c.rows[min(len(s.Containers), len(c.rows)):]) // keeps no old report alive
	c.rows, c.at = append(c.rows[:0], s.Containers...), s.At
}

// Each calls visit with each container of the newest copy, in the order of a
// Snapshot. No tick is copied meanwhile, so visit does not wait.
func (c *Containers) Each(visit func(*snapshot.Container)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.rows {
		visit(&c.rows[i])
	}
}

// contentType is that of the text exposition format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// ServeHTTP answers a scrape.
func (c *Containers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	page := c.pages.Get().(*containerText)
	defer c.pages.Put(page)
	if err := c.render(page); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(page.out) // a scraper that hangs up has its answer in the error it made
}

func (c *Containers) render(page *containerText) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return errors.New("no tick yet")
	}
	if age := c.now().Sub(c.at); age > c.stale {
		return fmt.Errorf("the last tick is %s old", age.Round(time.Millisecond))
	}
	page.render(c.rows, c.max)
	return nil
}
