package control

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/printable"
)

const (
	// maxFollowers may follow the updates at a time: for one too many the oldest
	// goes, so that nobody keeps others out.
	maxFollowers = 8
	// maxBehind updates wait for a follower.
	maxBehind = 4
	// followerWait bounds the writing of an update.
	followerWait = 10 * time.Second
)

// hub hands updates to those who follow.
type hub struct {
	mu        sync.Mutex
	followers []*follower
	closed    bool
}

// follower is one of them.
type follower struct {
	updates chan []byte
	// why is why there are no more updates, once updates is closed.
	why string
}

func (h *hub) followed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.followers) > 0
}

// publish hands an update over; whoever is too far behind is dropped.
func (h *hub) publish(update []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := 0; i < len(h.followers); i++ {
		select {
		case h.followers[i].updates <- update:
		default:
			h.drop(i, fmt.Sprintf("too slow: %d updates were waiting", maxBehind))
			i--
		}
	}
}

// drop ends one; h is locked.
func (h *hub) drop(i int, why string) {
	f := h.followers[i]
	h.followers = append(h.followers[:i], h.followers[i+1:]...)
	f.why = why
	close(f.updates)
}

func (h *hub) follow() *follower {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &follower{updates: make(chan []byte, maxBehind)}
	h.followers = append(h.followers, f)
	switch {
	case h.closed:
		h.drop(len(h.followers)-1, "the daemon stops")
	case len(h.followers) > maxFollowers:
		h.drop(0, fmt.Sprintf("more than %d follow: the oldest goes", maxFollowers))
	}
	return f
}

// leave is for a follower that wants no more.
func (h *hub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.followers {
		if h.followers[i] == f {
			h.drop(i, "")
			return
		}
	}
}

func (h *hub) close(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for len(h.followers) > 0 {
		h.drop(0, why)
	}
}

// ServeHTTP sends updates as server-sent events until the caller hangs up or is
// dropped, which it is told.
func (h *hub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f := h.follow()
	defer h.leave(f)
	conn := http.NewResponseController(w)
	// The server's limits are for a whole request; here each write has one.
	_ = conn.SetReadDeadline(time.Time{})
	send := func(event string, data []byte) error {
		_ = conn.SetWriteDeadline(time.Now().Add(followerWait))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: ", event); err != nil {
			return err
		}
		if _, err := printable.JSON(w).Write(append(data[:len(data):len(data)], "\n\n"...)); err != nil {
			return err
		}
		return conn.Flush()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	_ = conn.Flush() // whoever has hung up is noticed below
	for {
		select {
		case <-req.Context().Done():
			return
		case update, more := <-f.updates:
			if !more {
				text := marshal(failure{f.why})
				_ = send("dropped", text)
				return
			}
			if send("tick", update) != nil {
				return
			}
		}
	}
}
