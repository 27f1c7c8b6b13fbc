package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDirReaderListsSubdirectoriesOnly(t *testing.T) {
	dir := t.TempDir()
	var want []string
	// More than one buffer of getdents holds.
	for i := range 2000 {
		name := fmt.Sprintf("container-%04d", i)
		want = append(want, name)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("container-0000", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	d := NewDirReader()
	if errno := d.Open(unix.AT_FDCWD, NewPath(dir), 0); errno != 0 {
		t.Fatal(errno)
	}
	var got []string
	for {
		name, inode, ok := d.Next()
		if !ok {
			break
		}
		got = append(got, string(name))
		if inode == 0 {
			t.Errorf("%s has no inode", name)
		}
	}
	if errno := d.Close(); errno != 0 {
		t.Fatal(errno)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("listed %d of %d", len(got), len(want))
	}
}

func TestStatDirSeesChanges(t *testing.T) {
	dir := t.TempDir()
	var buf unix.Stat_t
	path := NewPath(dir)
	before, errno := StatDir(unix.AT_FDCWD, path, &buf)
	if errno != 0 {
		t.Fatal(errno)
	}
	if err := os.Mkdir(filepath.Join(dir, "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	after, errno := StatDir(unix.AT_FDCWD, path, &buf)
	if errno != 0 || before == after || !before.Same(after) {
		t.Errorf("before %+v, after %+v, %v", before, after, errno)
	}
	if _, errno := StatDir(unix.AT_FDCWD, NewPath(dir+"/none"), &buf); errno != unix.ENOENT {
		t.Errorf("missing: %v", errno)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errno := StatDir(unix.AT_FDCWD, NewPath(dir+"/file"), &buf); errno != unix.ENOTDIR {
		t.Errorf("a file: %v", errno)
	}
}
