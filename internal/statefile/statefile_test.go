package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func opened(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestContentIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	f := opened(t, path)
	if _, err := f.Read(10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for i, replace := range []func(uint64, []byte) error{f.Replace, f.ReplaceSynced, f.Replace} {
		want := string(rune('a' + i))
		if err := replace(f.Next(), []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Read(1); string(got) != want || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	if err := f.Replace(f.Next(), []byte("too long")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(3); err == nil {
		t.Error("more than the limit was read")
	}
	if err := errors.Join(f.Remove(), f.Remove()); err != nil {
		t.Error(err)
	}
	if names := files(t, dir); len(names) != 1 {
		t.Errorf("left: %v, want the lock alone", names)
	}
}

// What waits for the disk does not undo what was written meanwhile.
func TestAnOlderContentDoesNotComeBack(t *testing.T) {
	dir := t.TempDir()
	f := opened(t, filepath.Join(dir, "state"))
	old, newer := f.Next(), f.Next()
	if err := errors.Join(f.Replace(newer, []byte("newer")), f.ReplaceSynced(old, []byte("old"))); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read(10); string(got) != "newer" || err != nil {
		t.Errorf("content %q, %v", got, err)
	}
	if names := files(t, dir); len(names) != 2 {
		t.Errorf("files %v, want the lock and one", names)
	}
}

func TestOneProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := opened(t, path)
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, path)
}

func TestWhatAnInterruptedReplaceLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, name := range []string{path + ".new1", path + ".new7"} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened(t, path)
	if names := files(t, dir); len(names) != 1 {
		t.Errorf("left: %v, want the lock alone", names)
	}
}

// What another user could have prepared is neither followed nor believed.
func TestUntrustedFiles(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	write := func(name string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name, []byte("{}"), 0o600), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write(target, 0o600)
	path := filepath.Join(dir, "state")
	f := opened(t, path)
	for name, prepare := range map[string]func() error{
		"symbolic link": func() error { return os.Symlink(target, path) },
		"directory":     func() error { return os.Mkdir(path, 0o700) },
		"group writes":  func() error { write(path, 0o620); return nil },
		"others write":  func() error { write(path, 0o602); return nil },
		"another user's": func() error {
			if os.Geteuid() != 0 {
				return fs.ErrPermission
			}
			write(path, 0o600)
			return os.Chown(path, 65534, 65534)
		},
	} {
		if err := prepare(); errors.Is(err, fs.ErrPermission) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if data, err := f.Read(10); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// A temporary file's name that is taken by a link is not written through.
	if err := os.Symlink(target, path+".new1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Replace(f.Next(), []byte("overwritten")); err == nil {
		t.Error("a link in the place of the temporary file was written to")
	}
	if text, err := os.ReadFile(target); string(text) != "{}" || err != nil {
		t.Errorf("the target holds %q, %v", text, err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "other.lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "other")); err == nil {
		t.Error("the lock follows a link")
	}
}
