package kernel

import (
	"errors"
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

// Buffer is what files are read into. It grows with them, up to its limit, and
// keeps its size.
type Buffer struct {
	bytes []byte
	limit int
}

// NewBuffer makes a Buffer of size bytes, which may grow to limit.
func NewBuffer(size, limit int) *Buffer { return &Buffer{make([]byte, size), limit} }

// MachineBuffer is one for files that grow with the machine: /proc/stat has up
// to 130 bytes for each processor.
func MachineBuffer() *Buffer { return NewBuffer(64<<10, 64<<20) }

// Read is the content of the file fd, until the next Read. A kernel file is
// produced as a whole by one read at offset 0, so that one that fills the buffer
// is read anew into a larger one. One that is longer than the limit comes
// with the reason Truncated.
func (b *Buffer) Read(fd int) ([]byte, snapshot.Absence) {
	for {
		n, err := unix.Pread(fd, b.bytes, 0)
		switch {
		case err == nil && n == 0:
			return nil, snapshot.Truncated
		case err == nil && n < len(b.bytes):
			return b.bytes[:n], snapshot.Present
		case err == nil && n >= b.limit:
			return b.bytes, snapshot.Truncated
		case err == nil:
			b.bytes = make([]byte, min(2*n, b.limit))
			continue
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
func (b *Buffer) ReadOnce(dirfd int, path Path) ([]byte, snapshot.Absence) {
	fd, errno := Open(dirfd, path, unix.O_RDONLY)
	if errno != 0 {
		return nil, WhyErrno(errno)
	}
	text, why := b.Read(fd)
	unix.Close(fd)
	return text, why
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
