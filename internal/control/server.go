package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/estimatord/estimatord/internal/connlimit"
)

// Server answers HTTP on one listener.
type Server struct {
	name     string // for errors
	http     *http.Server
	listener net.Listener
	// remove, which may be nil, takes the listener's file away.
	remove func() error
}

// Every caller has these limits: nobody needs more, and what one caller takes is
// missing elsewhere.
const (
	readHeaderTimeout = 2 * time.Second
	readTimeout       = 5 * time.Second
	writeTimeout      = 10 * time.Second
	maxHeaderBytes    = 8 << 10
	maxBodyBytes      = 4 << 10
	// drainFor is how long requests may go on when the daemon stops.
	drainFor = time.Second
	// maxConns may be open at a time: 32 connections take about 1 MiB.
	maxConns = 32
	// acceptEvery and acceptBurst are connlimit.Listener's Every and Burst. A
	// scrape or a command takes one connection for some milliseconds.
	acceptEvery = 50 * time.Millisecond
	acceptBurst = 32
)

func newServer(name string, l net.Listener, h http.Handler, log *slog.Logger) *Server {
	s := &Server{name: name, listener: l, http: &http.Server{
		Handler:           http.MaxBytesHandler(h, maxBodyBytes),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	// One request to a connection: what limits connections limits requests.
	s.http.SetKeepAlivesEnabled(false)
	return s
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until ctx ends, then lets running requests finish for a moment.
// It is called once.
func (s *Server) Serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		done <- s.http.Serve(&connlimit.Listener{Listener: s.listener, Most: maxConns, EvictOldest: true, Every: acceptEvery, Burst: acceptBurst})
	}()
	var stopped, remains error
	select {
	case stopped = <-done:
	case <-ctx.Done():
	}
	if s.remove != nil {
		remains = s.remove() // before the listener closes, see unixsocket.Listener.Remove
	}
	graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if err := s.http.Shutdown(graceful); err != nil {
		_ = s.http.Close() // the requests that are left are cut
	}
	if stopped == nil {
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			stopped = err
		}
	}
	if err := errors.Join(stopped, remains); err != nil {
		return fmt.Errorf("serve %s: %w", s.name, err)
	}
	return nil
}
