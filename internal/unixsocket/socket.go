// Package unixsocket is a listening Unix socket that only its owner can reach,
// and says who called.
//
// The file has mode 0600 from its first moment on. One that a killed daemon
// left behind is taken over, one that is served is not, and a file that is no
// socket is left alone. The caller's user is what the kernel says
// (SO_PEERCRED), not what the caller says.
package unixsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/statefile"
)

var (
	// ErrInUse says that another process serves the socket.
	ErrInUse = errors.New("socket is in use")
	// ErrPath says that the path cannot be a socket's, or that something
	// that is no socket is in its place.
	ErrPath = errors.New("invalid socket path")
)

const (
	// socketMode: only the owner may connect. On Linux connecting needs write
	// permission on the socket (unix(7)).
	socketMode = 0o600
	// dirMode is that of a directory we create for the socket; the agent's
	// user must be able to reach into it.
	dirMode = 0o755
	// maxPath is the size of sockaddr_un.sun_path less its terminating zero.
	maxPath = len(unix.RawSockaddrUnix{}.Path) - 1
	// probeWait bounds the try to connect to a socket that is already there.
	probeWait = time.Second
)

// CheckPath refuses what cannot be a socket's path with ErrPath.
func CheckPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%w: it is empty", ErrPath)
	case path[0] == '@' || path[0] == 0:
		return fmt.Errorf("%w: %q is abstract and would have no file permissions", ErrPath, path)
	case len(path) > maxPath:
		return fmt.Errorf("%w: %q has %d bytes, the kernel takes %d", ErrPath, path, len(path), maxPath)
	}
	return nil
}

// Listener is a listening Unix socket whose file is ours to remove.
type Listener struct {
	path string
	uid  uint32
	// lock is ours as long as the socket is.
	lock   *statefile.File
	once   sync.Once
	closed chan struct{} // once it is, or is about to be

	mu       sync.Mutex
	bound    *net.UnixListener
	dev, ino uint64 // of its file
}

// Listen binds path with mode 0600, owned by uid. The file of a socket that
// nobody serves any more is replaced; everything else in its place is left
// alone. A file beside it is locked until Close, so that of two instances
// started at once one gets ErrInUse. It is not the directory that is locked:
// whoever may list a directory may lock it for good.
func Listen(path string, uid uint32) (*Listener, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, fmt.Errorf("directory of the socket: %w", err)
	}
	lock, err := statefile.Open(path)
	if errors.Is(err, statefile.ErrInUse) {
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock of the socket: %w", err)
	}
	s, err := listen(path, uid)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

func listen(path string, uid uint32) (*Listener, error) {
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// The mode of a socket's file is that of the open socket less the umask
	// (net/unix/af_unix.c, unix_bind_bsd), so changing it before the bind
	// leaves no moment in which others could connect.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmod error
		if err := c.Control(func(fd uintptr) { chmod = unix.Fchmod(int(fd), socketMode) }); err != nil {
			return err
		}
		return chmod
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	ul := l.(*net.UnixListener)
	ul.SetUnlinkOnClose(false)
	s := &Listener{path: path, uid: uid, closed: make(chan struct{}), bound: ul}
	if err := s.own(uid); err != nil {
		_ = ul.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return s, nil
}

// own checks what was bound and gives it to uid.
func (s *Listener) own(uid uint32) error {
	var st unix.Stat_t
	if err := unix.Lstat(s.path, &st); err != nil {
		return fmt.Errorf("socket %q: %w", s.path, err)
	}
	if mode := st.Mode & 0o777; mode&^socketMode != 0 {
		return fmt.Errorf("socket %q: the file system gave it mode %#o instead of %#o", s.path, mode, socketMode)
	}
	s.dev, s.ino = st.Dev, st.Ino
	if uid != 0 && uid != st.Uid {
		if err := os.Lchown(s.path, int(uid), -1); err != nil {
			return fmt.Errorf("give the socket to the agent's user (under systemd: docs/install.md, Drop-ins): %w", err)
		}
	}
	return nil
}

// Remove takes the socket's file away if it is still ours. The listener must
// still be open: as long as it is, the lock is ours and the file's inode number
// cannot be reused.
func (s *Listener) Remove() error {
	s.unwatch()
	if !s.ours() {
		return nil
	}
	return os.Remove(s.path)
}

// clearStale removes the file of a socket that nobody listens on.
func clearStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%w: %q exists and is no socket", ErrPath, path)
	}
	c, err := net.DialTimeout("unix", path, probeWait)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%w: another process listens on %q", ErrInUse, path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, unix.EAGAIN), os.IsTimeout(err): // its backlog is full
		return fmt.Errorf("%w: another process listens on %q and does not answer", ErrInUse, path)
	default: // no permission, or a socket of another type: not ours to judge
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
}
