package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/estimatord/estimatord/internal/connlimit"
)

// Server answers HTTP on one listener.
type Server struct {
	name     string // for errors
	http     *http.Server
	listener net.Listener
	// webConfig is the file with the certificate and the users, "" for none.
	webConfig string
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
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	// One request to a connection, which HTTP/2 does not know: what limits connections limits requests.
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
		l := &connlimit.Listener{Listener: inJSON{s.listener}, Most: maxConns, EvictOldest: true, Every: acceptEvery, Burst: acceptBurst}
		done <- web.Serve(l, s.http, &web.FlagConfig{WebConfigFile: &s.webConfig}, slog.New(slog.DiscardHandler))
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

// inJSON is a listener on whose connections what net/http itself says about a
// request that it cannot read is JSON, as all other failures are.
type inJSON struct{ net.Listener }

// Accept implements net.Listener.
func (l inJSON) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return jsonConn{c}, nil
}

type jsonConn struct{ net.Conn }

// NetConn is the connection itself.
func (c jsonConn) NetConn() net.Conn { return c.Conn }

// Write implements net.Conn. net/http writes such an answer at once.
func (c jsonConn) Write(b []byte) (int, error) {
	head, _, found := bytes.Cut(b, []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"))
	status, isAnswer := bytes.CutPrefix(head, []byte("HTTP/1.1 "))
	if !found || !isAnswer || bytes.Contains(status, []byte("\r\n")) {
		return c.Conn.Write(b)
	}
	why := string(status)
	if bytes.HasPrefix(status, []byte("431 ")) {
		why = fmt.Sprintf("query: the request's line and headers are longer than %d bytes", maxHeaderBytes)
	}
	_, err := fmt.Fprintf(c.Conn, "%s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n%s\n", head, marshal(failure{why}))
	return len(b), err
}
