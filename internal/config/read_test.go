package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Nothing that could block for ever or never ends is read, whatever it is
// called. The test would not return otherwise.
func TestReadOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.yaml")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, link, dir} {
		_, err := Read(name)
		if !errors.Is(err, errIrregular) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := LoadPolicy(name); !errors.Is(err, errIrregular) {
			t.Errorf("%s as a policy: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Of a huge file no more is read than shows that it is one.
func TestReadHugeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge.yaml")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil { // sparse
		t.Fatal(err)
	}
	data, err := Read(name)
	if err != nil || len(data) != maxFile+1 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if _, err := ParsePolicy(name, data); err == nil || err.Error() != name+": is more than 1048576 bytes long" {
		t.Errorf("as a policy: %v", err)
	}
}
