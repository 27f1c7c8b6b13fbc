package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// serve runs a Server until the test ends and returns its base URL.
func serve(t *testing.T, last func() *decision.Record) string {
	t.Helper()
	registry := metrics.NewRegistry(metrics.Build{Version: "v1"}, metrics.NewRecord(last))
	s, err := (&Config{
		Listen: "127.0.0.1:0", Registry: registry, Last: last, Recent: NewRecent(noContainers), Unhealthy: time.Minute, Log: slog.New(slog.DiscardHandler),
	}).ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return "http://" + s.Addr().String()
}

// run serves until the test ends.
func run(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHealthz(t *testing.T) {
	for _, tc := range []struct {
		name   string
		record *decision.Record
		code   int
		want   []string
	}{
		{name: "no tick yet", code: 503, want: []string{"failing: no tick yet"}},
		{
			name: "fresh, no agent", record: &decision.Record{At: time.Now(), TreeWhy: snapshot.NoFile, Host: snapshot.Host{BusyCores: snapshot.ValueOf(0)}},
			code: 200, want: []string{"ok: last tick", "agent: has not reported yet", "container tree: no_file, host: present"},
		},
		{
			name: "stalled", record: &decision.Record{At: time.Now().Add(-2 * time.Minute), Agent: "a1", UsageAgeSeconds: 1},
			code: 503, want: []string{"failing: last tick 2m", "agent: a1, usage was 1s old"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, body := get(t, serve(t, func() *decision.Record { return tc.record })+"/healthz")
			if code != tc.code {
				t.Errorf("status %d, want %d", code, tc.code)
			}
			for _, w := range tc.want {
				if !strings.Contains(body, w) {
					t.Errorf("body %q lacks %q", body, w)
				}
			}
		})
	}
}

func TestServerRoutes(t *testing.T) {
	base := serve(t, func() *decision.Record { return nil })
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/metrics": {200, "estimatord_build_info"},
		"/":        {200, "/healthz"},
		"/nothing": {404, "not found"},
	} {
		if code, body := get(t, base+path); code != want.code || !strings.Contains(body, want.text) {
			t.Errorf("%s: status %d, body %.80q; want %d and %q", path, code, body, want.code, want.text)
		}
	}
}

func TestListenOnAPortInUse(t *testing.T) {
	base := serve(t, func() *decision.Record { return nil })
	addr := strings.TrimPrefix(base, "http://")
	_, err := (&Config{Listen: addr, Log: slog.New(slog.DiscardHandler)}).ListenLoopback()
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v; want EADDRINUSE that names %s", err, addr)
	}
}

// A page of somebody else whose name was made to lead here reads nothing.
func TestTheAPIAnswersToItsOwnNameOnly(t *testing.T) {
	url := serve(t, func() *decision.Record { return nil })
	for host, want := range map[string]bool{"localhost:1": true, "127.0.0.1": true, "[::1]:9742": true, "attacker.example:80": false, "localhost.attacker.example": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/history", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.StatusCode != http.StatusForbidden; got != want {
			t.Errorf("by the name %s: %d", host, resp.StatusCode)
		}
	}
}
