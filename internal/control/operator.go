package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/unixsocket"
)

// The paths of the commands.
const (
	pathPause       = "/api/v1/pause"
	pathResume      = "/api/v1/resume"
	pathResetBudget = "/api/v1/budget/reset"
)

// MaxPause is far beyond any maintenance; whoever wants longer than a month says
// "until resumed".
const MaxPause = 31 * 24 * time.Hour

// PauseReply is the answer to pause and resume.
type PauseReply struct {
	WasPaused bool `json:"was_paused"`
	// Pause is the one that begins, or goes on.
	Pause
}

// ResetReply is the answer to a reset of the kill budget.
type ResetReply struct {
	// Forgotten is how many kills counted until then.
	Forgotten      int  `json:"forgotten"`
	BreakerWasOpen bool `json:"breaker_was_open"`
}

// operator answers operators.
type operator struct {
	*Config
	uid uint32
}

// ListenOperator binds the operator's socket. unixsocket.ErrInUse says that
// another instance serves it.
func (cfg *Config) ListenOperator() (*Server, error) {
	o := &operator{Config: cfg, uid: uint32(os.Geteuid())}
	l, err := unixsocket.Listen(cfg.Socket, o.uid)
	if err != nil {
		return nil, err
	}
	go l.Watch(cfg.Log)
	s := newServer("the operator's socket", l, o.guard(o.api(o.commands()...)), cfg.Log)
	s.remove = l.Remove
	s.http.ConnContext = o.withPeer
	return s, nil
}

// commands are the routes that change something.
func (o *operator) commands() []route {
	return []route{
		{method: http.MethodPost, path: pathPause, params: []string{"for", "kept"}, call: o.pause},
		{method: http.MethodPost, path: pathResume, call: o.resume},
		{method: http.MethodPost, path: pathResetBudget, call: o.resetBudget},
	}
}

// guard refuses other users.
func (o *operator) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if p := peerOf(req.Context()); p == nil || p.UID != 0 && p.UID != o.uid {
			o.Log.Warn("an operator's request was refused", "path", req.URL.Path, "by", p.String())
			reply(w, http.StatusForbidden, failure{fmt.Sprintf("%s may not call: this socket is for root and uid %d", p, o.uid)})
			return
		}
		next.ServeHTTP(w, req)
	})
}

type peerKey struct{}

// withPeer remembers the process that connected.
func (o *operator) withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := unixsocket.PeerOfConn(c, o.ProcRoot)
	if err != nil {
		o.Log.Warn("the peer on the operator's socket is not known", "err", err)
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// peerOf is the process behind a request, nil when it is not known.
func peerOf(ctx context.Context) *unixsocket.Peer {
	p, _ := ctx.Value(peerKey{}).(*unixsocket.Peer)
	return p
}

func (o *operator) resetBudget(req *http.Request) (any, error) {
	var r ResetReply
	if last := o.Last(); last != nil {
		r.Forgotten, r.BreakerWasOpen = last.QoS.Budget.Used, last.QoS.Budget.Open()
	}
	o.Pending.resetBudget()
	o.log(req.Context(), "the kill budget is reset", "forgotten", r.Forgotten, "breaker_was_open", r.BreakerWasOpen)
	return r, nil
}

func (o *operator) pause(req *http.Request) (any, error) {
	pause := Pause{PausedSince: o.Now()}
	switch query := req.URL.Query(); {
	case query.Has("for"):
		d, err := time.ParseDuration(query.Get("for"))
		if err != nil || d <= 0 || d > MaxPause {
			return nil, faultf(http.StatusBadRequest, "for: %s is no duration up to %s, like 2h", printable.Quote(query.Get("for")), MaxPause)
		}
		pause.PausedUntil, pause.PauseKept = pause.PausedSince.Add(d), true
	case query.Has("kept"):
		if query.Get("kept") != "true" {
			return nil, faultf(http.StatusBadRequest, "kept: %s is not true", printable.Quote(query.Get("kept")))
		}
		pause.PauseKept = true
	}
	pause.PauseKept = pause.PauseKept && o.Pending.Keep != nil
	was := o.Pending.setPause(pause)
	pause = o.Pending.Pause(o.Now())
	o.log(req.Context(), "paused: nothing is offered and nothing is taken", "was_paused", was, "until", pause.Ends())
	return PauseReply{was, pause}, nil
}

func (o *operator) resume(req *http.Request) (any, error) {
	was := o.Pending.setPause(Pause{})
	o.log(req.Context(), "resumed", "was_paused", was)
	return PauseReply{WasPaused: was}, nil
}

// log logs a command with who gave it.
func (o *operator) log(ctx context.Context, what string, attrs ...any) {
	o.Log.With(attrs...).Warn("operator", "command", what, "by", peerOf(ctx).String())
}
