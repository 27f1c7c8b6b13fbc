package rotate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func fill(t *testing.T, dir string, files map[string]int) {
	t.Helper()
	for name, size := range files {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func names(list []File) (out []string) {
	for _, f := range list {
		out = append(out, filepath.Base(f.Path))
	}
	return out
}

func TestListIsByNumberNotByTime(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]int{
		"00000002-20200101T000000Z.log": 2, "00000001-20300101T000000Z.log": 1, "100000000-20200101T000000Z.log": 3,
		"00000003-x.log": 4, "00000003-x.zip": 5,
		"notes.log": 9, "00000004-x.tmp": 9, "x0000005-x.log": 9,
	})
	if err := os.Mkdir(filepath.Join(dir, "00000009-x.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	list, err := List(dir, ".zip", ".log")
	want := []string{
		"00000001-20300101T000000Z.log", "00000002-20200101T000000Z.log", "00000003-x.zip", "00000003-x.log",
		"100000000-20200101T000000Z.log",
	}
	if err != nil || !slices.Equal(names(list), want) {
		t.Fatalf("%v %q, want %q", err, names(list), want)
	}
	if list[1].Bytes != 2 || list[1].Number != 2 || Next(list) != 100000001 || Next(nil) != 1 {
		t.Errorf("%+v, next %d", list[1], Next(list))
	}
	if got := Name(7, time.Date(2026, 3, 1, 12, 0, 5, 0, time.FixedZone("", 3600)), ".log"); got != "00000007-20260301T110005Z.log" {
		t.Errorf("name %q", got)
	}
	if _, err := List(filepath.Join(dir, "none"), ".log"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestPrune(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		limits Limits
		left   int
	}{
		"all fit":            {Limits{Bytes: 30}, 3},
		"the oldest goes":    {Limits{Bytes: 29}, 2},
		"all go":             {Limits{Bytes: 0}, 0},
		"the aged go":        {Limits{Bytes: 1000, Age: 90 * time.Minute}, 1},
		"as old as it may":   {Limits{Bytes: 1000, Age: 3 * time.Hour}, 3},
		"both, size decides": {Limits{Bytes: 10, Age: 150 * time.Minute}, 1},
	} {
		dir := t.TempDir()
		fill(t, dir, map[string]int{"1-a.log": 10, "2-a.log": 10, "3-a.log": 10})
		for i, file := range []string{"1-a.log", "2-a.log", "3-a.log"} {
			at := now.Add(-time.Duration(3-i) * time.Hour)
			if err := os.Chtimes(filepath.Join(dir, file), at, at); err != nil {
				t.Fatal(err)
			}
		}
		list, err := List(dir, ".log")
		if err != nil {
			t.Fatal(err)
		}
		left, removed, err := Prune(list, tc.limits, now)
		there, listErr := List(dir, ".log")
		if err != nil || listErr != nil || len(left) != tc.left || removed != 3-tc.left || !slices.Equal(names(left), names(there)) {
			t.Errorf("%s: left %q, removed %d, there %q, %v %v", name, names(left), removed, names(there), err, listErr)
		}
	}
	if left, removed, err := Prune([]File{{Path: filepath.Join(t.TempDir(), "gone"), Bytes: 5}}, Limits{}, now); len(left) != 0 || removed != 1 || err != nil {
		t.Errorf("one that is gone: %v, %d, %v", left, removed, err)
	}
}

func TestOneProcessWrites(t *testing.T) {
	dir := t.TempDir()
	first, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	_ = again.Close()
	if err := Writable(dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if Writable(filepath.Join(dir, "none")) == nil {
		t.Error("a directory that is not there is writable")
	}
}

func TestAProbeThatWasLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]int{".probe-123": 0, "other": 1})
	if err := Writable(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("%v, %v; want the other file alone", entries, err)
	}
	if err := Writable("/proc/self"); err == nil {
		t.Error("/proc/self is said to be writable")
	}
}
