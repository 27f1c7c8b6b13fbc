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
			text, why := NewBuffer(16, 16).ReadOnce(unix.AT_FDCWD, NewPath(filepath.Join(dir, tc.name)))
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

// A file that outgrows the buffer is read as a whole, up to the limit.
func TestBufferGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "long")
	for _, lines := range []int{2, 20, 2_000, 20_000} {
		want := strings.Repeat("0123456789\n", lines)
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		b := NewBuffer(16, 1<<20)
		for range 2 {
			if got, why := b.ReadOnce(unix.AT_FDCWD, NewPath(path)); why != snapshot.Present || string(got) != want {
				t.Errorf("%d lines: %d bytes of %d, %v", lines, len(got), len(want), why)
			}
		}
		if got, why := NewBuffer(16, len(want)).ReadOnce(unix.AT_FDCWD, NewPath(path)); why != snapshot.Truncated || string(got) != want {
			t.Errorf("%d lines fill the limit: %d bytes, %v", lines, len(got), why)
		}
	}
}
