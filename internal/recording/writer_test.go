package recording

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestFilesFollowEachOtherAndTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	n := newNode(5)
	opts := Options{MaxFileBytes: 4000, MaxTotalBytes: 20_000, FlushEvery: time.Millisecond, Queue: 4}
	w, err := Create(dir, opts, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for w.Stats().Removed < 3 {
		if err := w.Record(tickOf(n.tick())); err != nil && !errors.Is(err, rotate.ErrBehind) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond) // so that there is more than one block
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var total, largest int64
	for _, path := range r.Files() {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		largest = max(largest, info.Size())
	}
	// Before the last one was begun there was room for it.
	if total > opts.MaxTotalBytes-opts.MaxFileBytes+largest {
		t.Errorf("%d bytes in all, the largest file has %d", total, largest)
	}
	if st := w.Stats(); uint64(len(r.Files())) != st.Files-st.Removed {
		t.Errorf("%d files, want %d begun - %d removed", len(r.Files()), st.Files, st.Removed)
	}
	var last uint64
	for s, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Seq <= last {
			t.Fatalf("tick %d after %d", s.Seq, last)
		}
		last = s.Seq
	}
	if last != n.Seq && w.Stats().Behind == 0 {
		t.Errorf("the last tick is %d, want %d", last, n.Seq)
	}
}

func TestARecordingGoesOnWhereAnotherEnded(t *testing.T) {
	dir := t.TempDir()
	history := small(2, 6)
	record(t, dir, Options{}, history[:3])
	record(t, dir, Options{}, history[3:])
	check(t, dir, history)
}

func TestTwoDoNotRecordIntoOneDirectory(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, Options{}, quiet); !errors.Is(err, rotate.ErrInUse) {
		t.Errorf("the second: %v, want rotate.ErrInUse", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Record(tickOf(newNode(1).tick())); !errors.Is(err, rotate.ErrClosed) {
		t.Errorf("Record after Close: %v", err)
	}
	w, err = Create(dir, Options{}, quiet)
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	_ = w.Close()
}

func TestATickThatCannotBeRecordedIsRefusedAlone(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(2)
	good := clone(n.tick())
	if err := w.Record(tickOf(good)); err != nil {
		t.Fatal(err)
	}
	bad := clone(n.tick())
	bad.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := w.Record(tickOf(bad)); err == nil || !strings.Contains(err.Error(), "9999") {
		t.Errorf("a time out of range: %v", err)
	}
	large := clone(n.tick())
	large.Containers = make([]snapshot.Container, maxContainers+1)
	if err := w.Record(tickOf(large)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many containers: %v, want ErrTooLarge", err)
	}
	next := clone(n.tick())
	if err := w.Record(tickOf(next)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.Refused != 2 || st.Written != 2 {
		t.Errorf("stats %+v; want 2 refused, 2 recorded", st)
	}
	check(t, dir, []*snapshot.Snapshot{good, next})
}

func TestCreateRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"no parent": filepath.Join(t.TempDir(), "a", "b"), "a file": file, "cannot be written to": "/proc/self",
	} {
		if _, err := Create(dir, Options{}, quiet); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want an error in one line", name, err)
		}
	}
	for _, o := range []Options{{Queue: -1}, {MaxFileBytes: 10, MaxTotalBytes: 19}, {MaxAge: -1}} {
		if _, err := Create(t.TempDir(), o, quiet); !errors.Is(err, errOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
