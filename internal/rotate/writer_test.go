package rotate

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// text is an item of one line.
func text(s string, count int) Item {
	return Item{At: time.Unix(1_700_000_000, 0), Count: count, Append: func(b []byte) ([]byte, error) { return append(b, s+"\n"...), nil }}
}

// content is all that the files of dir hold.
func content(t *testing.T, dir string) string {
	t.Helper()
	list, err := List(dir, ".x")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range list {
		b, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func quiet() Options {
	return Options{
		Extension: ".x", MaxFileBytes: 1 << 20, Keep: Limits{Bytes: 1 << 30}, RetryAfter: time.Second, Queue: 2,
		What: "test", Log: slog.New(slog.DiscardHandler),
	}
}

func TestASlowDiskCostsItemsAndNeverTime(t *testing.T) {
	dir := t.TempDir()
	w, d, err := create(dir, quiet()) // a disk that does nothing: its goroutine is not started
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []string{"a", "b", "c", "d"} {
		if err := w.Put(text(s, 3)); (i < 2) != (err == nil) || i >= 2 && !errors.Is(err, ErrBehind) {
			t.Fatalf("%s: %v, want room for two", s, err)
		}
	}
	if st := w.Stats(); st.Behind != 6 {
		t.Errorf("%d counted as left out, want 6", st.Behind)
	}
	// It works again: what was left out is missing, and nothing else is wrong.
	go d.run()
	if err := w.Close(text("e", 1)); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir); got != "a\nb\ne\n" || w.Stats().Written != 7 {
		t.Errorf("%q, %+v", got, w.Stats())
	}
	if err := w.Put(text("f", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
}

func TestAnErrorOfTheDiskIsSeenAndWritingGoesOn(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full to fail with")
	}
	dir := t.TempDir()
	var log strings.Builder
	clock := time.Unix(1_700_000_000, 0)
	opts := quiet()
	opts.Log, opts.Now = slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return clock }
	w, d, err := create(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	d.put(text("a", 1))
	good := d.file
	if d.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil { // the disk is full
		t.Fatal(err)
	}
	_ = good.Close()
	d.put(text("b", 2))
	if st := w.Stats(); st.Written != 1 || st.Lost != 2 || st.Errors != 1 || st.Err == nil {
		t.Errorf("stats %+v; want 1 written, 2 lost, 1 error", st)
	}
	if !strings.Contains(log.String(), "writing failed") || !strings.Contains(log.String(), "no space left") {
		t.Errorf("the log does not tell:\n%s", log.String())
	}
	d.put(text("c", 1)) // right after the error nothing is tried
	clock = clock.Add(opts.RetryAfter)
	d.file = nil // it is not full any more
	d.put(text("d", 1))
	if !strings.Contains(log.String(), "writing works again") || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("the log does not tell, or tells more:\n%s", log.String())
	}
	go d.run()
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v, want nil once writing works again", err)
	}
	if st := w.Stats(); st.Written != 2 || st.Lost != 3 || st.Files != 2 || st.Err != nil {
		t.Errorf("stats %+v; want 2 written, 3 lost, 2 files, no error left", st)
	}
	if got := content(t, dir); got != "a\nd\n" {
		t.Errorf("%q", got)
	}
}

func TestFilesEndBySizeAndAgeAndTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	clock := time.Unix(1_700_000_000, 0)
	opts := quiet()
	opts.MaxFileBytes, opts.MaxFileAge, opts.Keep.Bytes, opts.Now = 4, time.Minute, 8, func() time.Time { return clock }
	var ended []string
	opts.Ended = func(f File) (File, error) {
		ended = append(ended, filepath.Base(f.Path))
		return f, nil
	}
	w, d, err := create(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	d.put(text("a", 1))
	clock = clock.Add(opts.MaxFileAge)
	d.put(text("b", 1)) // the first file is old
	for _, s := range []string{"c", "d", "e", "f", "g", "h"} {
		d.put(text(s, 1)) // two to a file
	}
	if got := content(t, dir); got != "c\nd\ne\nf\ng\nh\n" || w.Stats().Removed != 1 || w.Stats().Files != 4 {
		t.Errorf("%q, %+v; want the three newest of four files", got, w.Stats())
	}
	go d.run()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(ended) < 4 || !strings.HasPrefix(ended[0], "00000001-") {
		t.Errorf("ended: %q", ended)
	}
}
