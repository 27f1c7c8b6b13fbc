// Package metrics serves what operators look at: /metrics for Prometheus and
// /healthz for probes, on a loopback port.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/estimatord/estimatord/internal/decision"
)

// Config is what a Server shows.
type Config struct {
	// Listen is host:port; port 0 picks a free one.
	Listen string
	// Registry is what /metrics shows.
	Registry *prometheus.Registry
	// Containers is what /metrics/containers shows; nil: there is no such page.
	Containers http.Handler
	// Last is the newest record, nil before the first.
	Last func() *decision.Record
	// Unhealthy is how old the newest record may be before /healthz fails.
	Unhealthy time.Duration
	Log       *slog.Logger
}

// Server is a listening HTTP server.
type Server struct {
	cfg      Config
	listener net.Listener
	http     *http.Server
}

// Listen opens the port, so that a port in use is an error at start.
func Listen(cfg Config) (*Server, error) {
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for /metrics on %q: %w", cfg.Listen, err)
	}
	s := &Server{cfg: cfg, listener: l}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Registry, promhttp.HandlerOpts{Registry: cfg.Registry}))
	if cfg.Containers != nil {
		mux.Handle("GET /metrics/containers", cfg.Containers)
	}
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /{$}", index)
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		cfg.Log.Warn("metrics are readable from other hosts", "listen", l.Addr().String())
	}
	return s, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until ctx ends, then lets running requests finish for a
// moment.
func (s *Server) Serve(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- s.http.Shutdown(graceful)
	})
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve /metrics on %s: %w", s.Addr(), err)
	}
	if err := <-stopped; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving /metrics: %w", err)
	}
	return nil
}

// healthz answers 200 while ticks are fresh. An agent that does not report is
// no failure of this daemon, so it is only said, not judged.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	r := s.cfg.Last()
	if r == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "failing: no tick yet\n")
		return
	}
	age := time.Since(r.At)
	word := "ok"
	if age > s.cfg.Unhealthy {
		word = "failing"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintf(w, "%s: last tick %s ago, limit %s\n", word, age.Round(time.Millisecond), s.cfg.Unhealthy)
	if r.Agent == "" {
		_, _ = io.WriteString(w, "agent: has not reported yet\n")
	} else {
		_, _ = fmt.Fprintf(w, "agent: %s, usage was %s old\n", r.Agent, r.UsageAge.Round(time.Millisecond))
	}
	_, _ = fmt.Fprintf(w, "container tree: %s, host: %s\n", r.TreeWhy, r.HostWhy)
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><title>estimatord</title><h1>estimatord</h1>
<p><a href="/metrics">/metrics</a> and, for each container, <a href="/metrics/containers">/metrics/containers</a>
for Prometheus, <a href="/healthz">/healthz</a> for probes.</p>
`)
}
