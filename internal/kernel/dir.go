package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DirState is what tells that the entries of a directory changed. On kernfs
// Subdirs moves with each mkdir and rmdir, but the times do not; on other file
// systems it is the other way round with some.
type DirState struct {
	Inode  uint64
	Device uint64
	// Links is the link count: 2 + the number of subdirectories on kernfs and
	// tmpfs.
	Links      uint64
	MtimeNanos int64
}

// Same reports whether s and o are of the same directory.
func (s DirState) Same(o DirState) bool { return s.Inode == o.Inode && s.Device == o.Device }

// StatDir is the state of the directory path below dirfd; ENOTDIR if it is
// something else. buf is overwritten; the caller keeps it so that nothing is
// allocated.
//
// It is fstatat and not statx: Linux before 4.11 does not have that one, and old
// container runtimes forbid it.
func StatDir(dirfd int, path Path, buf *unix.Stat_t) (DirState, unix.Errno) {
	_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dirfd), uintptr(path.ptr()),
		uintptr(unsafe.Pointer(buf)), unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT, 0, 0)
	if errno != 0 {
		return DirState{}, errno
	}
	if buf.Mode&unix.S_IFMT != unix.S_IFDIR {
		return DirState{}, unix.ENOTDIR
	}
	return DirState{
		Inode:      buf.Ino,
		Device:     buf.Dev,
		Links:      uint64(buf.Nlink), //nolint:unconvert // 32 bits on arm64
		MtimeNanos: buf.Mtim.Nano(),
	}, 0
}

// DirReader lists the subdirectories of a directory without allocating.
type DirReader struct {
	fd   int
	buf  []byte
	rest []byte
	err  unix.Errno
}

// NewDirReader makes a DirReader with its buffer.
func NewDirReader() *DirReader { return &DirReader{fd: -1, buf: make([]byte, 32<<10)} }

// Open starts to list path below dirfd.
func (d *DirReader) Open(dirfd int, path Path, flags int) unix.Errno {
	d.rest = nil
	d.fd, d.err = Open(dirfd, path, flags|unix.O_RDONLY|unix.O_DIRECTORY)
	return d.err
}

// Close ends the listing and returns the error that cut it short, if any.
func (d *DirReader) Close() unix.Errno {
	if d.fd >= 0 {
		unix.Close(d.fd)
	}
	d.fd = -1
	return d.err
}

// Next is the next subdirectory, with its inode as the directory states it.
// name is valid until the next call. Symbolic links and files are left out.
func (d *DirReader) Next() (name []byte, inode uint64, ok bool) {
	for {
		if len(d.rest) == 0 && !d.fill() {
			return nil, 0, false
		}
		// struct linux_dirent64: u64 ino, s64 off, u16 reclen, u8 type, name.
		const header = 19
		if len(d.rest) < header {
			d.err = unix.EIO
			return nil, 0, false
		}
		length := int(binary.NativeEndian.Uint16(d.rest[16:]))
		if length < header || length > len(d.rest) {
			d.err = unix.EIO
			return nil, 0, false
		}
		entry := d.rest[:length]
		d.rest = d.rest[length:]
		name = entry[header:]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		if entry[18] != unix.DT_DIR || isDot(name) {
			continue
		}
		return name, binary.NativeEndian.Uint64(entry), true
	}
}

func isDot(name []byte) bool {
	return len(name) == 1 && name[0] == '.' || len(name) == 2 && name[0] == '.' && name[1] == '.'
}

func (d *DirReader) fill() bool {
	for {
		n, err := unix.Getdents(d.fd, d.buf)
		switch {
		case err == nil:
			d.rest = d.buf[:n]
			return n > 0
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOENT): // the directory itself was removed
			d.err = unix.ENOENT
			return false
		}
		d.err = unix.EIO
		return false
	}
}
