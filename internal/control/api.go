package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/printable"
)

// The paths of what only reads.
const (
	pathStatus  = "/api/v1/status"
	pathHistory = "/api/v1/history"
	pathEvents  = "/api/v1/events"
	pathOffer   = "/api/v1/explain/offer"
	pathKill    = "/api/v1/explain/kill/"
	pathWhyNot  = "/api/v1/explain/why-not/"
)

// maxAnswers are made at a time, the largest of them some MB.
const maxAnswers = 4

// failure is the answer when something is wrong with a request.
type failure struct {
	Error string `json:"error"`
}

// fault is what is wrong with a request, with its status.
type fault struct {
	code int
	text string
}

// Error implements error.
func (f fault) Error() string { return f.text }

func faultf(code int, format string, args ...any) error {
	return fault{code, fmt.Sprintf(format, args...)}
}

// route is one path of the API.
type route struct {
	// path may end with the name of a container, whose place {container} is.
	method, path string
	// params are the query's parameters, all optional.
	params []string
	// call answers: what it returns is the body. handler is in its stead.
	call    func(*http.Request) (any, error)
	handler http.Handler
}

// reads are the routes that change nothing.
func (cfg *Config) reads() []route {
	return []route{
		{method: http.MethodGet, path: pathStatus, call: func(*http.Request) (any, error) { return cfg.status(), nil }},
		{method: http.MethodGet, path: pathHistory, params: []string{"window"}, call: cfg.history},
		{method: http.MethodGet, path: pathEvents, handler: &cfg.Recent.hub},
		{method: http.MethodGet, path: pathOffer, call: cfg.explainOffer},
		{method: http.MethodGet, path: pathKill + "{container}", call: cfg.explainKill},
		{method: http.MethodGet, path: pathWhyNot + "{container}", call: cfg.explainWhyNot},
	}
}

// api answers on what only reads and on more.
func (cfg *Config) api(more ...route) http.Handler {
	mux, answering := http.NewServeMux(), make(chan struct{}, maxAnswers)
	for _, r := range append(cfg.reads(), more...) {
		answer := r.handler
		if answer == nil {
			answer = atMost(answering, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, err := r.call(req)
				if err != nil {
					refuse(w, err)
					return
				}
				reply(w, http.StatusOK, body)
			}))
		}
		mux.HandleFunc(r.path, func(w http.ResponseWriter, req *http.Request) {
			if err := r.check(req); err != nil {
				if req.Method != r.method {
					w.Header().Set("Allow", r.method)
				}
				refuse(w, err)
				return
			}
			answer.ServeHTTP(w, req)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		refuse(w, faultf(http.StatusNotFound, "path: there is no %s", printable.Quote(req.URL.Path)))
	})
	return cfg.catch(mux)
}

// check finds what is wrong with a request before anything is done for it.
func (r *route) check(req *http.Request) error {
	if req.Method != r.method {
		return faultf(http.StatusMethodNotAllowed, "method: %s takes %s, not %s", r.path, r.method, printable.Quote(req.Method))
	}
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return faultf(http.StatusBadRequest, "query: %s", printable.Text(err.Error()))
	}
	for name, values := range query {
		switch {
		case !slices.Contains(r.params, name) && len(r.params) == 0:
			return faultf(http.StatusBadRequest, "%s: %s takes no parameter", printable.Quote(name), r.path)
		case !slices.Contains(r.params, name):
			return faultf(http.StatusBadRequest, "%s: %s takes %s only", printable.Quote(name), r.path, strings.Join(r.params, ", "))
		case len(values) > 1:
			return faultf(http.StatusBadRequest, "%s: given %d times", name, len(values))
		}
	}
	return nil
}

// catch turns a panic into an error of its request: a defect in answering must
// not take the node's daemon down.
func (cfg *Config) catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				cfg.Log.Error("a request panicked, this is a defect", "path", req.URL.Path, "err", p, "stack", string(debug.Stack()))
				reply(w, http.StatusInternalServerError, failure{"estimatord failed on this request, see its log"})
			}
		}()
		next.ServeHTTP(w, req)
	})
}

// marshal is v in JSON.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of ours that is not for JSON: a defect
	}
	return text
}

func reply(w http.ResponseWriter, code int, body any) {
	text := marshal(body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = printable.JSON(w).Write(append(text, '\n')) // who has hung up needs no answer
}

func refuse(w http.ResponseWriter, err error) {
	var f fault
	if !errors.As(err, &f) {
		panic(err)
	}
	reply(w, f.code, failure{f.text})
}

// The windows of a history.
const (
	defaultWindow = time.Hour
	minWindow     = time.Second
	maxWindow     = coarseSpan
)

func (cfg *Config) history(req *http.Request) (any, error) {
	window := defaultWindow
	if text := req.URL.Query().Get("window"); req.URL.Query().Has("window") {
		var err error
		if window, err = time.ParseDuration(text); err != nil || window < minWindow || window > maxWindow {
			return nil, faultf(http.StatusBadRequest, "window: %s is no duration from %s to %s, like 15m", printable.Quote(text), minWindow, maxWindow)
		}
	}
	return cfg.Recent.history(window), nil
}

// Explanation is the answer to one question: the sentences, and what they were
// made from.
type Explanation struct {
	Text   string          `json:"text"`
	Offer  *explain.Offer  `json:"offer,omitempty"`
	Kill   *explain.Kill   `json:"kill,omitempty"`
	WhyNot *explain.WhyNot `json:"why_not,omitempty"`
}

func (cfg *Config) explainOffer(*http.Request) (any, error) {
	last := cfg.Last()
	if last == nil {
		return nil, faultf(http.StatusNotFound, "there was no tick yet")
	}
	o := explain.OfferIn(last)
	return &Explanation{Text: o.Text(), Offer: o}, nil
}

func (cfg *Config) explainKill(req *http.Request) (any, error) {
	k, err := cfg.Recent.explainKill(req.PathValue("container"))
	if err != nil {
		return nil, notExplained(err, "kill")
	}
	return &Explanation{Text: k.Text(), Kill: k}, nil
}

func (cfg *Config) explainWhyNot(req *http.Request) (any, error) {
	n, err := cfg.Recent.explainWhyNot(req.PathValue("container"))
	if err != nil {
		return nil, notExplained(err, "why-not")
	}
	return &Explanation{Text: n.Text(), WhyNot: n}, nil
}

// notExplained says where else to ask: only the command reads files.
func notExplained(err error, question string) error {
	if errors.Is(err, explain.ErrAmbiguous) {
		return faultf(http.StatusBadRequest, "container: %s", printable.Text(err.Error()))
	}
	return faultf(http.StatusNotFound, "container: the running daemon remembers nothing of that (the last %d kills, and who was weighed last); "+
		"ask estimatord explain %s, which reads the decision log", maxKills, question)
}
