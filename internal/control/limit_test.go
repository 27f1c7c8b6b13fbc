package control

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// limited is a server with limits until the test ends.
func limited(t *testing.T) string {
	t.Helper()
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, err := io.ReadAll(req.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	run(t, newServer("test", l, h, slog.New(slog.DiscardHandler)))
	return l.Addr().String()
}

// closed reports whether the server has closed c, which may take so long.
func closed(t *testing.T, c net.Conn, within time.Duration) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestTheOldestConnectionGoesForANewOne(t *testing.T) {
	address := limited(t)
	var all []net.Conn
	for range maxConns + 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		all = append(all, c)
	}
	if !closed(t, all[0], time.Second) || !closed(t, all[1], time.Second) {
		t.Error("the oldest connections are still open")
	}
	if closed(t, all[len(all)-1], 10*time.Millisecond) {
		t.Error("the newest connection was closed")
	}
}

func TestConnectionsAreAcceptedAtABoundedRate(t *testing.T) {
	address := limited(t)
	const more = 10
	began := time.Now()
	for range acceptBurst + more {
		resp, err := http.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if took := time.Since(began); took < (more-1)*acceptEvery {
		t.Errorf("%d requests in %s, want %s at least", acceptBurst+more, took, (more-1)*acceptEvery)
	}
}

func TestASlowRequestIsCut(t *testing.T) {
	c, err := net.Dial("tcp", limited(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nX: "); err != nil {
		t.Fatal(err)
	}
	if !closed(t, c, 2*readHeaderTimeout) {
		t.Error("a request that never ends keeps its connection")
	}
}

func TestALargeBodyIsRefused(t *testing.T) {
	resp, err := http.Post("http://"+limited(t), "text/plain", io.LimitReader(zeros{}, maxBodyBytes+1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %s", resp.Status)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
