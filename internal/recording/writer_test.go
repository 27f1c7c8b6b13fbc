package recording

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		if err := w.Record(n.tick()); err != nil && !errors.Is(err, ErrBehind) {
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
	if _, err := Create(dir, Options{}, quiet); !errors.Is(err, ErrInUse) {
		t.Errorf("the second: %v, want ErrInUse", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Record(newNode(1).tick()); !errors.Is(err, ErrClosed) {
		t.Errorf("Record after Close: %v", err)
	}
	w, err = Create(dir, Options{}, quiet)
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	_ = w.Close()
}

func TestASlowDiskCostsTicksAndNeverTime(t *testing.T) {
	// A disk that does nothing: its goroutine is not started.
	opts, err := Options{Queue: 2}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w := &Writer{opts: opts, now: time.Now, queue: make(chan queued, 2), free: make(chan []byte, 2), done: make(chan struct{})}
	w.free <- nil
	w.free <- nil
	w.begin.Store(true)
	n := newNode(3)
	var want []*snapshot.Snapshot
	for i := range 5 {
		s := clone(n.tick())
		switch err := w.Record(s); {
		case i < 2 && err != nil:
			t.Fatal(err)
		case i >= 2 && !errors.Is(err, ErrBehind):
			t.Fatalf("tick %d: %v, want ErrBehind", i, err)
		case i < 2:
			want = append(want, s)
		}
	}
	if st := w.Stats(); st.Behind != 3 {
		t.Errorf("%d ticks counted as left out, want 3", st.Behind)
	}
	// It works again: what was left out is missing, and nothing else is wrong.
	d, err := newDisk(w, t.TempDir(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	go d.run()
	for len(w.free) < 2 {
		time.Sleep(time.Millisecond)
	}
	s := clone(n.tick())
	if err := w.Record(s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, d.dir, append(want, s))
}

func TestAnErrorOfTheDiskIsSeenAndRecordingGoesOn(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full to fail with")
	}
	dir := t.TempDir()
	var log strings.Builder
	clock := time.Unix(1_700_000_000, 0)
	opts, err := Options{Queue: 64}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w := &Writer{opts: opts, now: func() time.Time { return clock }, queue: make(chan queued, 64), free: make(chan []byte, 64), done: make(chan struct{})}
	for range 64 {
		w.free <- nil
	}
	w.begin.Store(true)
	d, err := newDisk(w, dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	// One step of the disk's side after another, without its goroutine.
	step := func() {
		d.check(d.take(<-w.queue))
		w.free <- nil
	}
	n := newNode(2)
	first := clone(n.tick())
	if err := w.Record(first); err != nil {
		t.Fatal(err)
	}
	step()
	d.check(d.flush())
	// The disk is full.
	good := d.file
	if d.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	_ = good.Close()
	for range 2 {
		if err := w.Record(n.tick()); err != nil {
			t.Fatal(err)
		}
		step()
	}
	d.check(d.flush())
	st := w.Stats()
	if st.Ticks != 1 || st.Lost != 2 || st.Errors != 1 || st.Err == nil {
		t.Errorf("stats %+v; want 1 tick, 2 lost, 1 error", st)
	}
	if !strings.Contains(log.String(), "recording failed") || !strings.Contains(log.String(), "no space left") {
		t.Errorf("the log does not tell:\n%s", log.String())
	}
	if err := w.Record(n.tick()); !errors.Is(err, ErrPaused) {
		t.Errorf("right after the error: %v, want ErrPaused", err)
	}
	clock = clock.Add(opts.RetryAfter)
	again := clone(n.tick())
	if err := w.Record(again); err != nil {
		t.Fatal(err)
	}
	step()
	go d.run()
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v, want nil once writing works again", err)
	}
	if st := w.Stats(); st.Ticks != 2 || st.Lost != 3 || st.Files != 2 || st.Err != nil {
		t.Errorf("stats %+v; want 2 ticks, 3 lost, 2 files, no error left", st)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	cuts := 0
	for s, err := range r.All() {
		switch {
		case errors.Is(err, ErrCut):
			cuts++
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, s.Seq)
		}
	}
	if d := cmp.Diff([]uint64{first.Seq, again.Seq}, got); d != "" || cuts != 1 {
		t.Errorf("%d cuts, ticks %s", cuts, d)
	}
}

func TestATickThatCannotBeRecordedIsRefusedAlone(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(2)
	good := clone(n.tick())
	if err := w.Record(good); err != nil {
		t.Fatal(err)
	}
	bad := clone(n.tick())
	bad.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := w.Record(bad); err == nil || !strings.Contains(err.Error(), "9999") {
		t.Errorf("a time out of range: %v", err)
	}
	large := clone(n.tick())
	large.Containers = make([]snapshot.Container, maxEntries+1)
	if err := w.Record(large); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many containers: %v, want ErrTooLarge", err)
	}
	next := clone(n.tick())
	if err := w.Record(next); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.Refused != 2 || st.Ticks != 2 {
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
