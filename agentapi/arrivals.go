package agentapi

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A call arrives from its headers until its message is decoded and kept. Until
// then it takes as much memory as it likes, up to maxMessageBytes and what
// decoding that makes (parts.go), so few may arrive at a time, whatever the
// number of connections. Each group has places of its own: nobody who floods the
// socket keeps the agent that it serves from its two calls.
type group uint8

const (
	// ofOwner are the calls of the agent that is served, on its open connections.
	ofOwner group = iota
	// ofOthers are calls of the same methods on other connections: of an agent
	// that starts, or of a second one.
	ofOthers
	// ofHealth are calls of all other methods. Those keep their place until they
	// end, as a health watch does not.
	ofHealth
	groups
)

// maxArriving is how many calls of a group may arrive at a time.
const maxArriving = 2

// arrivals counts the calls that arrive.
type arrivals struct {
	mu    sync.Mutex
	taken [groups]int
}

// arrival is a place of one call.
type arrival struct {
	end  func()
	slow *time.Timer
}

type arrivalKey struct{}

// begin takes a place for a call. A call that has not arrived within timeout is
// ended.
func (a *arrivals) begin(ctx context.Context, g group, timeout time.Duration) (context.Context, error) {
	a.mu.Lock()
	full := a.taken[g] == maxArriving
	if !full {
		a.taken[g]++
	}
	a.mu.Unlock()
	if full {
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls arrive already, try again", maxArriving)
	}
	ctx, cancel := context.WithCancel(ctx)
	it := &arrival{end: sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.taken[g]--
	})}
	it.slow = time.AfterFunc(timeout, func() {
		cancel()
		it.end()
	})
	return context.WithValue(ctx, arrivalKey{}, it), nil
}

// arrived says that a call has its message: it may now take as long as it likes.
func arrived(ctx context.Context) *arrival {
	it, ok := ctx.Value(arrivalKey{}).(*arrival)
	if !ok {
		return &arrival{end: func() {}}
	}
	it.slow.Stop()
	return it
}
