package agentapi

import (
	"log/slog"
	"sync"
	"time"
)

// warnEvery is the least time between two warnings of one kind: a client that
// does something wrong does it with every call.
const warnEvery = time.Minute

// warnKind is what a warning is about.
type warnKind uint8

const (
	warnPeer warnKind = iota
	warnAgent
	warnReport
	warnExecutor
	warnOffer
	warnPanic
	warnKinds
)

// warner logs at most one warning per kind and interval, with the number of
// those it kept back.
type warner struct {
	log   *slog.Logger
	now   func() time.Time
	every time.Duration

	mu     sync.Mutex
	at     [warnKinds]time.Time
	silent [warnKinds]int
}

// Warn logs the warning, or counts it.
func (w *warner) Warn(kind warnKind, msg string, attrs ...any) {
	now := w.now()
	w.mu.Lock()
	if !w.at[kind].IsZero() && now.Sub(w.at[kind]) < w.every {
		w.silent[kind]++
		w.mu.Unlock()
		return
	}
	kept := w.silent[kind]
	w.at[kind], w.silent[kind] = now, 0
	w.mu.Unlock()
	w.log.Warn(msg, append(attrs, "kept_back", kept)...) //nolint:sloglint // callers pass constants
}
