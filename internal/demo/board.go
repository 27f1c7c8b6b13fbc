package demo

import (
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// board is what is known just now, for who shows it.
type board struct {
	// At is the time since the story began, Step what it is at.
	At   time.Duration
	Step string
	// Metrics are the daemon's; nil before the first scrape.
	Metrics metrics
	// Why is the reason code of the last offer for cpus.
	Why string
	// Service is the service's last report, valid when Serving.
	Service workload.Report
	Serving bool
	// HogCores is what the hog uses, valid when HogRuns.
	HogCores float64
	HogRuns  bool
	// Busy is how many cores of the host are, Others what is left of that
	// without the service and the hog.
	Busy, Others float64
}

// notes collects what happened, for the story to wait for and to measure.
type notes struct {
	mu     sync.Mutex
	lines  []process.Line
	boards []board
}

func (n *notes) line(l process.Line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, l)
}

func (n *notes) board(b board) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.boards = append(n.boards, b)
}

// killLine is the daemon's log line of the decision to kill the executor.
func (n *notes) killLine(executor string) (process.Line, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		if l.Msg == "kill" && l.Executor == executor {
			return l, true
		}
	}
	return process.Line{}, false
}

// promisesNothing is the daemon's log line from which on it promises no cpus;
// ok is false while it promises some.
func (n *notes) promisesNothing() (since process.Line, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		switch {
		case l.Msg != "offer" || l.Resource != resources.CPUs:
		case l.RevocableTotal != "0":
			ok = false
		case !ok:
			since, ok = l, true
		}
	}
	return since, ok
}

// last is the newest board.
func (n *notes) last() board {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.boards) == 0 {
		return board{}
	}
	return n.boards[len(n.boards)-1]
}

// mean is the mean of what get says of the boards from one time on up to the
// other; 0 without any.
func (n *notes) mean(from, to time.Duration, get func(board) float64) float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum, count := 0.0, 0
	for _, b := range n.boards {
		if b.At >= from && b.At <= to {
			sum += get(b)
			count++
		}
	}
	return sum / float64(max(1, count))
}
