package module_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// daemon is a real gRPC server with answers made by the test.
type daemon struct {
	agentv1.UnimplementedOversubscriptionServer
	estimate    func(ctx context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error)
	corrections func(ctx context.Context, req *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error)
}

func (d *daemon) Estimate(ctx context.Context, req *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
	return d.estimate(ctx, req)
}

func (d *daemon) Corrections(ctx context.Context, req *agentv1.CorrectionsRequest) (*agentv1.CorrectionsResponse, error) {
	return d.corrections(ctx, req)
}

// offering is a daemon that always answers text.
func offering(text string) *daemon {
	return &daemon{estimate: func(context.Context, *agentv1.EstimateRequest) (*agentv1.EstimateResponse, error) {
		return &agentv1.EstimateResponse{Resources: text}, nil
	}}
}

// socketPath is short enough for a Unix socket, which a test's own folder may
// not be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "estimatord-module-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "agent.sock")
}

// watchedListener counts the connections that it accepts and tells when the
// server closes one, which it does when its peer has.
type watchedListener struct {
	net.Listener
	accepted atomic.Int64
	closed   chan struct{}
}

func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.accepted.Add(1)
	return &watchedConn{Conn: conn, closed: l.closed}, nil
}

type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan<- struct{}
}

func (c *watchedConn) Close() error {
	c.once.Do(func() {
		select {
		case c.closed <- struct{}{}:
		default:
		}
	})
	return c.Conn.Close()
}

func listen(t *testing.T, socket string) *watchedListener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	return &watchedListener{Listener: listener, closed: make(chan struct{}, 64)}
}

// serve runs a daemon, or a server without any service for nil, on the socket
// until stop is called or the test ends.
func serve(t *testing.T, socket string, d *daemon, options ...grpc.ServerOption) (listener *watchedListener, stop func()) {
	t.Helper()
	listener = listen(t, socket)
	server := grpc.NewServer(options...)
	if d != nil {
		agentv1.RegisterOversubscriptionServer(server, d)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		server.Stop()
		// Stopped before it began: a test that ended at once.
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return listener, stop
}

// serveHTTP2 runs an HTTP/2 server that is not a gRPC server on the socket.
func serveHTTP2(t *testing.T, socket string, handler http.HandlerFunc) *watchedListener {
	t.Helper()
	listener := listen(t, socket)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	// A server that answers before it has read the request may reset the
	// stream, and libcurl then sees no answer; see TestRefusals for that.
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			handler(w, r)
		}
	}
	server := &http.Server{Handler: http.HandlerFunc(read), Protocols: protocols, ReadHeaderTimeout: patience}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return listener
}

// serveRaw hands each connection to handle, which closes it by returning.
func serveRaw(t *testing.T, socket string, handle func(conn net.Conn)) {
	t.Helper()
	listener := listen(t, socket)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
}

// recordedUsage is what a real 1.12-dev agent sent: one regular and one
// revocable executor.
func recordedUsage(t *testing.T) *wire.ResourceUsage {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "one-regular-one-revocable.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var req agentv1.EstimateRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	return req.GetUsage()
}
