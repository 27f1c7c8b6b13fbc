package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"
)

const (
	// maxScrapes may be answered at a time.
	maxScrapes = 4
	// backlog is how many connections may wait to be accepted. At the rate of the
	// limit they are through in some seconds: after an attack nobody waits long.
	backlog = 64
)

// ListenLoopback opens the port, so that a port in use is an error at start.
func (cfg *Config) ListenLoopback() (*Server, error) {
	l, err := listen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for /metrics on %q: %w", cfg.Listen, err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && cfg.WebConfig == "" {
		cfg.Log.Warn("metrics are readable from other hosts", "listen", l.Addr().String())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Registry, promhttp.HandlerOpts{Registry: cfg.Registry, MaxRequestsInFlight: maxScrapes}))
	if cfg.Containers != nil {
		mux.Handle("GET /metrics/containers", atMost(make(chan struct{}, maxScrapes), cfg.Containers))
	}
	mux.HandleFunc("GET /healthz", cfg.healthz)
	mux.Handle("/api/", byItsName(cfg.api()))
	mux.Handle("GET /{$}", page())
	mux.Handle("GET /page/", page())
	s := newServer("/metrics on "+l.Addr().String(), l, mux, cfg.Log)
	s.webConfig = cfg.WebConfig
	return s, nil
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err == nil {
		// net.Listen takes the kernel's maximum; a second listen(2) changes it.
		control := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), backlog) })
		err = errors.Join(control, err)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// atMost lets next answer as many requests at a time as places has room for, and
// refuses others meanwhile.
func atMost(places chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, req)
		default:
			w.Header().Set("Retry-After", "1")
			reply(w, http.StatusServiceUnavailable, failure{"too many requests at a time"})
		}
	})
}

// healthz answers 200 while ticks are fresh. An agent that does not report is
// no failure of this daemon, so it is only said, not judged.
func (cfg *Config) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	r := cfg.Last()
	if r == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "failing: no tick yet\n")
		return
	}
	age := time.Since(r.At)
	word := "ok"
	if age > cfg.Unhealthy {
		word = "failing"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintf(w, "%s: last tick %s ago, limit %s\n", word, age.Round(time.Millisecond), cfg.Unhealthy)
	if r.Agent == "" {
		_, _ = io.WriteString(w, "agent: has not reported yet\n")
	} else {
		_, _ = fmt.Fprintf(w, "agent: %s, usage was %s old\n", r.Agent, r.UsageAge().Round(time.Millisecond))
	}
	_, _ = fmt.Fprintf(w, "container tree: %s, host: %s\n", r.TreeWhy, r.Host.BusyCores.Why)
}
