package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestReadOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("short", "12\n")
	write("empty", "")
	write("fills the buffer", strings.Repeat("x", 16))
	write("longer", strings.Repeat("x", 17))
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, want string
		why        snapshot.Absence
	}{
		{"short", "12\n", snapshot.Present},
		{"empty", "", snapshot.Truncated},
		{"fills the buffer", strings.Repeat("x", 16), snapshot.Truncated},
		{"longer", strings.Repeat("x", 16), snapshot.Truncated},
		{"missing", "", snapshot.NoFile},
		{"short/below a file", "", snapshot.NoFile},
		{"directory", "", snapshot.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, why := ReadOnce(unix.AT_FDCWD, NewPath(filepath.Join(dir, tc.name)), make([]byte, 16))
			if string(text) != tc.want || why != tc.why {
				t.Errorf("got %q, %v; want %q, %v", text, why, tc.want, tc.why)
			}
		})
	}
}

func TestWhyErrno(t *testing.T) {
	for errno, want := range map[unix.Errno]snapshot.Absence{
		0:               snapshot.Present,
		unix.ENOENT:     snapshot.NoFile,
		unix.EOPNOTSUPP: snapshot.NoFile,
		unix.ENODEV:     snapshot.Vanished,
		unix.EACCES:     snapshot.Denied,
		unix.EPERM:      snapshot.Denied,
		unix.EIO:        snapshot.Failed,
		unix.EMFILE:     snapshot.Failed,
	} {
		if got := WhyErrno(errno); got != want {
			t.Errorf("%v: %v, want %v", errno, got, want)
		}
	}
}

func TestReadAllisWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "long")
	want := strings.Repeat("0123456789\n", 20_000)
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadAll(path); err != nil || string(got) != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}
