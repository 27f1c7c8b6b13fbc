package unixsocket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// socketPath is a short path in a directory of its own: t.TempDir() holds the
// test's name and may be longer than the kernel takes.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "es")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "agent.sock")
}

func mustListen(t *testing.T, path string) *Listener {
	t.Helper()
	s, err := Listen(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSocketModeIsTightWhateverTheUmask(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := socketPath(t)
	mustListen(t, path)
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode(); got != os.ModeSocket|0o600 {
		t.Errorf("mode %s", got)
	}
}

// The mode must be there with the file: a watcher that saw it wider, however
// shortly, could connect. Without the early fchmod this fails at once.
func TestSocketIsNeverSeenWithAnotherMode(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := socketPath(t)
	stop, wide := make(chan struct{}), make(chan os.FileMode, 1)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if fi, err := os.Lstat(path); err == nil && fi.Mode().Perm() != 0o600 {
				select {
				case wide <- fi.Mode():
				default:
				}
			}
		}
	})
	for range 50 {
		s, err := Listen(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
	}
	close(stop)
	watcher.Wait()
	select {
	case mode := <-wide:
		t.Errorf("seen with mode %s", mode)
	default:
	}
}

func TestSocketBelongsToTheAgentsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a file away needs root")
	}
	path := socketPath(t)
	s, err := Listen(path, 65534)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != 65534 || fi.Mode().Perm() != 0o600 {
		t.Errorf("uid %d, mode %s", st.Uid, fi.Mode())
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	path := socketPath(t)
	dead := mustListen(t, path)
	_ = dead.Close() // as after kill -9: the file stays, nobody listens
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestSecondInstanceIsRefused(t *testing.T) {
	path := socketPath(t)
	mustListen(t, path)
	_, err := Listen(path, 0)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Fatalf("err = %v, want ErrInUse naming the path", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first instance does not answer any more: %v", err)
	}
	_ = c.Close()
}

func TestOfManyStartedAtOnceOneListens(t *testing.T) {
	path := socketPath(t)
	_ = mustListen(t, path).Close() // a stale file that all of them find
	const n = 8
	errs := make([]error, n)
	socks := make([]*Listener, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { socks[i], errs[i] = Listen(path, 0) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			defer func() { _ = socks[i].Close() }()
		case !errors.Is(err, ErrInUse):
			t.Errorf("err = %v, want ErrInUse", err)
		}
	}
	if won != 1 {
		t.Errorf("%d instances listen, want 1", won)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	for name, mk := range map[string]func(string) error{
		"a file":           func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) },
		"a directory":      func(p string) error { return os.Mkdir(p, 0o700) },
		"a dangling link":  func(p string) error { return os.Symlink("/nonexistent", p) },
		"a link to socket": func(p string) error { return os.Symlink("/dev/log", p) },
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := mk(path); err != nil {
				t.Fatal(err)
			}
			if _, err := Listen(path, 0); !errors.Is(err, ErrPath) {
				t.Errorf("err = %v, want ErrPath", err)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("it was removed: %v", err)
			}
		})
	}
}

func TestDatagramSocketIsNotReplaced(t *testing.T) {
	path := socketPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := Listen(path, 0); !errors.Is(err, ErrInUse) {
		t.Errorf("err = %v, want ErrInUse", err)
	}
}

func TestImpossiblePaths(t *testing.T) {
	for name, path := range map[string]string{
		"empty":    "",
		"abstract": "@estimatord",
		"too long": "/tmp/" + strings.Repeat("x", maxPath),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Listen(path, 0); !errors.Is(err, ErrPath) {
				t.Errorf("err = %v, want ErrPath", err)
			}
		})
	}
}

func TestLongestPathWorks(t *testing.T) {
	dir := filepath.Dir(filepath.Dir(socketPath(t)))
	mustListen(t, filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1)))
}

func TestRemoveOnlyTakesOurOwnFile(t *testing.T) {
	path := socketPath(t)
	old := mustListen(t, path)
	if err := os.Remove(path); err != nil { // as a careless operator does
		t.Fatal(err)
	}
	if _, err := Listen(path, 0); !errors.Is(err, ErrInUse) {
		t.Errorf("err = %v, want ErrInUse: the first instance lives", err)
	}
	other, err := net.Listen("unix", path) // somebody else's
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := old.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other instance's socket was removed: %v", err)
	}
}

// Whoever may list the directory can lock it, and keeps nobody from starting.
func TestALockedDirectoryKeepsNobodyOut(t *testing.T) {
	path := socketPath(t)
	_ = mustListen(t, path).Close()
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
}
