package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Anybody on the node can connect to the loopback port. What he can take there
// is bounded: the loop goes on, operators are answered, and memory and
// descriptors stay far below the unit's limits (deploy/systemd).
func TestTheLoopbackPortCannotTakeTheDaemonDown(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const idle = 4000
	dir := t.TempDir()
	p := start(t, "--mode=fixed", "--resources=cpus:4", "--interval=100ms", "--socket", filepath.Join(dir, "agent.sock"),
		"--mesos-cgroups-root", "estimatord-no-such-agent")
	address, _ := p.await(t, "metrics")["listen"].(string)
	p.await(t, "offer")
	before := ticks(t, metricsAt(t, address))
	began := time.Now()

	var open sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for worker := range 40 {
		open.Go(func() {
			for i := range idle / 40 {
				c, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
				if err != nil {
					continue // the backlog is full
				}
				switch i % 4 {
				case 0: // a request that never ends
					_, _ = fmt.Fprintf(c, "GET /metrics/containers HTTP/1.1\r\nX-%d: ", worker)
				case 1: // answers that nobody reads
					_, _ = io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
				case 2:
					_, _ = io.WriteString(c, "GET /api/v1/history?window=1h HTTP/1.1\r\nHost: localhost\r\n\r\n")
				}
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
			}
		})
	}
	paths := []string{"/metrics", "/", "/api/v1/status", "/api/v1/history", "/api/v1/explain/kill/x", "/api/v1/events"}
	for i := range 100 { // and a hundred ask at a time
		open.Go(func() {
			client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			if resp, err := client.Get("http://" + address + paths[i%len(paths)]); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	peakFiles := 0
	attacked := make(chan struct{})
	go func() { open.Wait(); close(attacked) }()
	for done := false; !done; {
		select {
		case <-attacked:
			done = true
		case <-time.After(20 * time.Millisecond):
		}
		if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)); err == nil {
			peakFiles = max(peakFiles, len(files))
		}
	}
	if text := operate(t, "status", "--operator-socket", filepath.Join(dir, "operator.sock")); !strings.Contains(text, "mode fixed") {
		t.Errorf("status during the attack: %s", text)
	}
	took := time.Since(began)
	peak := peakMemory(t, p.cmd.Process.Pid)
	t.Logf("%d connections in %s: at most %d descriptors, %d MiB of memory", len(conns), took.Round(time.Millisecond), peakFiles, peak>>20)
	if peakFiles > 150 {
		t.Errorf("%d descriptors are open, want no more for however many connections", peakFiles)
	}
	if peak > 64<<20*raceMemory {
		t.Errorf("%d MiB of memory, the unit allows 192 for all", peak>>20)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	// The kernel still hands over what waited in the backlog, at the rate of the
	// limit; a scrape comes through all the same.
	text := ""
	for deadline := time.Now().Add(30 * time.Second); text == "" && time.Now().Before(deadline); {
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		if resp, err := client.Get("http://" + address + "/metrics"); err == nil {
			if body, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusOK {
				text = string(body)
			}
			_ = resp.Body.Close()
		}
	}
	if after, want := ticks(t, text), before+time.Since(began).Seconds()*10*0.5; after < want {
		t.Errorf("%v ticks after %s, want %v at least: the loop was kept waiting", after, time.Since(began), want)
	}
}

func ticks(t *testing.T, metrics string) float64 {
	t.Helper()
	_, rest, ok := strings.Cut(metrics, "\nestimatord_ticks_total ")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(line, 64)
	if !ok || err != nil {
		t.Fatalf("no count of ticks: %v", err)
	}
	return n
}

// peakMemory is the most that a process had in memory, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(read(fmt.Sprintf("/proc/%d/status", pid)), "VmHWM:")
	field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
