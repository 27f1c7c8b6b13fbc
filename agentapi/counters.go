package agentapi

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// warnEvery is the least time between two warnings of one kind: a client that
// does something wrong does it with every call.
const warnEvery = time.Minute

// problem is what a client can do wrong, or the daemon.
type problem uint8

const (
	refusedPeer problem = iota
	refusedCall
	refusedAgent
	badReport
	droppedExecutors
	unreadableOffer
	panicked
	problems
)

// messages are for the log.
var messages = [problems]string{
	refusedPeer:      "a caller was refused",
	refusedCall:      "a call was refused, too many arrive at a time",
	refusedAgent:     "a second agent was refused",
	badReport:        "a message was refused",
	droppedExecutors: "executors left out of the agent's report",
	unreadableOffer:  "resources left out of the offer: the agent could not read them",
	panicked:         "a call panicked, this is a defect",
}

// callLabel is what ended calls are counted by.
type callLabel struct {
	method string
	code   codes.Code
}

// counters count events, and log problems: at most one of a kind in warnEvery,
// with the number of those kept back.
type counters struct {
	log *slog.Logger

	mu                    sync.Mutex
	problems              [problems]uint64
	last                  Problem
	takeovers, superseded uint64
	conns                 int
	calls                 map[callLabel]uint64
	warnedAt              [problems]time.Time
	silent                [problems]int
}

// problem counts n problems of a kind.
func (c *counters) problem(now time.Time, kind problem, n int, err error, attrs ...any) {
	c.mu.Lock()
	c.problems[kind] += uint64(n) //nolint:gosec // a count
	c.last = Problem{At: now, Text: err.Error()}
	quiet := !c.warnedAt[kind].IsZero() && now.Sub(c.warnedAt[kind]) < warnEvery
	kept := c.silent[kind]
	if quiet {
		c.silent[kind]++
	} else {
		c.warnedAt[kind], c.silent[kind] = now, 0
	}
	c.mu.Unlock()
	if !quiet {
		c.log.Warn(messages[kind], append([]any{"err", err, "kept_back", kept}, attrs...)...) //nolint:sloglint // constants
	}
}

// add changes one counter.
func add[N int | uint64](c *counters, n *N, by N) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n += by
}

// call counts an ended call.
func (c *counters) call(method string, code codes.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[callLabel{method, code}]++
}

func (c *counters) fill(st *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Connections = c.conns
	st.Counts = Counts{
		RefusedPeers: c.problems[refusedPeer], RefusedCalls: c.problems[refusedCall], RefusedAgents: c.problems[refusedAgent],
		BadReports: c.problems[badReport], DroppedExecutorsTotal: c.problems[droppedExecutors], Panics: c.problems[panicked],
		Takeovers: c.takeovers, Superseded: c.superseded, LastError: c.last,
	}
	for _, l := range slices.SortedFunc(maps.Keys(c.calls), func(a, b callLabel) int {
		return cmp.Or(cmp.Compare(a.method, b.method), cmp.Compare(a.code, b.code))
	}) {
		st.Calls = append(st.Calls, CallCount{Method: l.method, Code: l.code.String(), N: c.calls[l]})
	}
}
