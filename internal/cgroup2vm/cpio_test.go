package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchive unpacks with cpio what was packed.
func TestArchive(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skipf("needs cpio: %v", err)
	}
	src := t.TempDir()
	for name, text := range map[string]string{"empty": "", "three": "abc", "sub/four": "abcd"} {
		path := filepath.Join(src, "tree", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("three", filepath.Join(src, "tree", "link")); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	a := newArchive(&packed)
	if err := copyTree(a, filepath.Join(src, "tree"), "tests/x/testdata"); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(a, filepath.Join(src, "none"), "tests/none"); err != nil {
		t.Errorf("no directory: %v", err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	dst := t.TempDir()
	unpack := exec.Command(cpio, "--extract", "--make-directories", "--quiet")
	unpack.Dir, unpack.Stdin = dst, &packed
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	base := filepath.Join(dst, "tests/x/testdata")
	for name, want := range map[string]string{"empty": "", "three": "abc", "sub/four": "abcd", "link": "abc"} {
		got, err := os.ReadFile(filepath.Join(base, name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
	if info, err := os.Lstat(filepath.Join(base, "three")); err != nil || info.Mode() != 0o640 {
		t.Errorf("three is %v, %v, want mode 0640", info.Mode(), err)
	}
}

func TestArchiveRefusesAChangedFile(t *testing.T) {
	a := newArchive(&bytes.Buffer{})
	a.file("x", 0o644, 5, strings.NewReader("abc"))
	if err := a.close(); err == nil || !strings.Contains(err.Error(), "3 bytes instead of 5") {
		t.Errorf("close gives %v, want that the size is wrong", err)
	}
}
