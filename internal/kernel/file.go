package kernel

import (
	"errors"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// The os package would cost more than the read itself: kernfs files are
// pollable, so os.Open adds two fcntl and two epoll_ctl calls for each file.

// Path is a path that ends in NUL, for system calls that must not allocate.
type Path []byte

// NewPath is p for the kernel.
func NewPath(p string) Path { return append([]byte(p), 0) }

// String is the path without its NUL.
func (p Path) String() string {
	if len(p) == 0 {
		return ""
	}
	return string(p[:len(p)-1])
}

func (p Path) ptr() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(p)) }

// Open opens path below the directory dirfd, read-only. The error is a
// unix.Errno, zero for success.
func Open(dirfd int, path Path, flags int) (int, unix.Errno) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(path.ptr()),
			uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		if errno == 0 {
			return int(fd), 0
		}
		if errno != unix.EINTR {
			return -1, errno
		}
	}
}

// Read fills buf from the start of the file fd and returns what it holds.
// A kernel file is produced as a whole by one read at offset 0. One that fills
// buf may be longer: it comes with the reason Truncated.
func Read(fd int, buf []byte) ([]byte, snapshot.Absence) {
	for {
		n, err := unix.Pread(fd, buf, 0)
		switch {
		case err == nil && n == 0:
			return nil, snapshot.Truncated
		case err == nil && n == len(buf):
			return buf, snapshot.Truncated
		case err == nil:
			return buf[:n], snapshot.Present
		}
		errno, ok := errors.AsType[unix.Errno](err)
		if !ok {
			return nil, snapshot.Failed
		}
		if errno != unix.EINTR {
			return nil, WhyErrno(errno)
		}
	}
}

// ReadOnce opens, reads and closes.
func ReadOnce(dirfd int, path Path, buf []byte) ([]byte, snapshot.Absence) {
	fd, errno := Open(dirfd, path, unix.O_RDONLY)
	if errno != 0 {
		return nil, WhyErrno(errno)
	}
	text, why := Read(fd, buf)
	unix.Close(fd)
	return text, why
}

// ReadAll is the content of a file of any length, for start-up only.
func ReadAll(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return all, nil
		}
		if all = append(all, buf[:n]...); len(all) > 16<<20 {
			return nil, io.ErrShortBuffer
		}
	}
}

// WhyErrno is the reason behind a failed open or read.
func WhyErrno(errno unix.Errno) snapshot.Absence {
	switch errno {
	case 0:
		return snapshot.Present
	case unix.ENOENT, unix.ENOTDIR, unix.EOPNOTSUPP:
		// EOPNOTSUPP: PSI that is compiled in, but switched off (psi=0).
		return snapshot.NoFile
	case unix.ENODEV, unix.ESTALE:
		// ENODEV: the cgroup of a kept descriptor was removed (kernfs).
		return snapshot.Vanished
	case unix.EACCES, unix.EPERM:
		return snapshot.Denied
	}
	return snapshot.Failed
}
