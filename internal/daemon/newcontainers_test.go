package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The directory comes, is removed and comes again: what is made in it wakes each
// time.
func TestNewContainersWake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mesos")
	woken := make(chan struct{}, 100)
	n, err := watchContainers(dir, func() { woken <- struct{}{} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	n.Observe(nil, nil) // it is not there
	for _, container := range []string{"a", "b"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		n.Observe(nil, nil)
		n.Observe(nil, nil)
		if err := os.Mkdir(filepath.Join(dir, container), 0o700); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
		case <-time.After(time.Minute):
			t.Fatalf("not woken for %s", container)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		// A watch of what was removed ends in its own time.
		for deadline := time.Now().Add(time.Minute); len(n.watcher.WatchList()) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
