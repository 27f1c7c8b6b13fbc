package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/unixsocket"
)

// DefaultSocket is where the operator's socket is when nothing else is set.
const DefaultSocket = "/run/estimatord/operator.sock"

// The paths of the API.
const (
	pathStatus      = "/api/v1/status"
	pathPause       = "/api/v1/pause"
	pathResume      = "/api/v1/resume"
	pathResetBudget = "/api/v1/budget/reset"
)

// PauseReply is the answer to pause and resume.
type PauseReply struct {
	WasPaused bool `json:"was_paused"`
}

// ResetReply is the answer to a reset of the kill budget.
type ResetReply struct {
	// Forgotten is how many kills counted until then.
	Forgotten      int  `json:"forgotten"`
	BreakerWasOpen bool `json:"breaker_was_open"`
}

// failure is the answer when something is wrong with a request.
type failure struct {
	Error string `json:"error"`
}

// operator answers operators.
type operator struct {
	*Config
	started time.Time
	uid     uint32
}

// ListenOperator binds the operator's socket. unixsocket.ErrInUse says that
// another instance serves it.
func (cfg *Config) ListenOperator() (*Server, error) {
	o := &operator{Config: cfg, started: cfg.Now(), uid: uint32(os.Geteuid())}
	l, err := unixsocket.Listen(cfg.Socket, o.uid)
	if err != nil {
		return nil, err
	}
	s := newServer("the operator's socket", l, o.handler(), cfg.Log)
	s.remove = l.Remove
	s.http.ConnContext = o.withPeer
	return s, nil
}

// call answers one request: what it returns is the body.
type call func(ctx context.Context) any

func (o *operator) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range []struct {
		method, path string
		call         call
	}{
		{http.MethodGet, pathStatus, func(context.Context) any { return o.status() }},
		{http.MethodPost, pathPause, o.pause},
		{http.MethodPost, pathResume, o.resume},
		{http.MethodPost, pathResetBudget, o.resetBudget},
	} {
		mux.HandleFunc(r.path, func(w http.ResponseWriter, req *http.Request) {
			if req.Method != r.method {
				w.Header().Set("Allow", r.method)
				reply(w, http.StatusMethodNotAllowed, failure{fmt.Sprintf("%s takes %s, not %s", r.path, r.method, req.Method)})
				return
			}
			reply(w, http.StatusOK, r.call(req.Context()))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		reply(w, http.StatusNotFound, failure{fmt.Sprintf("there is no %q", req.URL.Path)})
	})
	return o.guard(mux)
}

// guard refuses other users, and turns a panic into an error of its request: a
// defect in answering must not take the node's daemon down.
func (o *operator) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if p := peerOf(req.Context()); p == nil || p.UID != 0 && p.UID != o.uid {
			o.Log.Warn("an operator's request was refused", "path", req.URL.Path, "by", p.String())
			reply(w, http.StatusForbidden, failure{fmt.Sprintf("%s may not call: this socket is for root and uid %d", p, o.uid)})
			return
		}
		defer func() {
			if p := recover(); p != nil {
				o.Log.Error("an operator's request panicked, this is a defect", "err", p, "stack", string(debug.Stack()))
				reply(w, http.StatusInternalServerError, failure{"estimatord failed on this request, see its log"})
			}
		}()
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

func reply(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // a type of ours that is not for JSON: a defect
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = printable.JSON(w).Write(append(text, '\n')) // who has hung up needs no answer
}

func (o *operator) resetBudget(ctx context.Context) any {
	var r ResetReply
	if last := o.Last(); last != nil {
		r.Forgotten, r.BreakerWasOpen = last.QoS.Budget.Used, last.QoS.Budget.Open()
	}
	o.Pending.resetBudget()
	o.log(ctx, "the kill budget is reset", "forgotten", r.Forgotten, "breaker_was_open", r.BreakerWasOpen)
	return r
}

func (o *operator) pause(ctx context.Context) any {
	was := o.Pending.setPaused(o.Now())
	o.log(ctx, "paused: nothing is offered and nothing is taken until resume or a restart", "was_paused", was)
	return PauseReply{was}
}

func (o *operator) resume(ctx context.Context) any {
	was := o.Pending.setPaused(time.Time{})
	o.log(ctx, "resumed", "was_paused", was)
	return PauseReply{was}
}

// log logs a command with who gave it.
func (o *operator) log(ctx context.Context, what string, attrs ...any) {
	o.Log.With(attrs...).Warn("operator", "command", what, "by", peerOf(ctx).String())
}
