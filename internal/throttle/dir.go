package throttle

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Directories are opened without following a link, and control files below the
// opened directory, so that a path that comes to mean something else in
// between is never written to.

// openRoot opens the directory that containers are in.
func openRoot(path string) (int, unix.Errno) {
	return openAt(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY)
}

// openDir opens one directory below another.
func openDir(at int, name string) (int, unix.Errno) {
	return openAt(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// openAt opens; a signal does not interrupt it.
func openAt(at int, name string, flags int) (int, unix.Errno) {
	for {
		fd, err := unix.Openat(at, name, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, 0
		}
		if errno := errnoOf(err); errno != unix.EINTR {
			return -1, errno
		}
	}
}

// inodeAt is the inode of the directory name below at; "" is at itself.
func inodeAt(at int, name string) (uint64, unix.Errno) {
	var st unix.Stat_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if err := unix.Fstatat(at, name, &st, flags); err != nil {
		return 0, errnoOf(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0, unix.ENOTDIR
	}
	return st.Ino, 0
}

// longest is more than any file that is read here holds: cgroup.events of v2 is
// "populated 1\nfrozen 0\n".
const longest = 256

// readAt reads a control file without the white space around its text.
func readAt(dir int, name string) (string, unix.Errno) {
	fd, errno := openAt(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW)
	if errno != 0 {
		return "", errno
	}
	defer unix.Close(fd)
	var buf [longest]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if err == nil {
			return strings.TrimSpace(string(buf[:n])), 0
		}
		if errno := errnoOf(err); errno != unix.EINTR {
			return "", errno
		}
	}
}

// writeAt writes a control file whole, in one write, and never makes one.
// O_TRUNC means nothing to the kernel's control files; those of a copied tree
// are files like others. O_NONBLOCK has memory.high take effect without this
// thread reclaiming (Linux 6.16, Documentation/admin-guide/cgroup-v2.rst).
func writeAt(dir int, name, value string) unix.Errno {
	fd, errno := openAt(dir, name, unix.O_WRONLY|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if errno != 0 {
		return errno
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Write(fd, []byte(value))
		switch errno := errnoOf(err); {
		case err == nil && n == len(value):
			return 0
		case err == nil:
			return unix.EIO
		case errno != unix.EINTR:
			return errno
		}
	}
}

// errnoOf is the number in what package unix returns.
func errnoOf(err error) unix.Errno {
	if errno, ok := err.(unix.Errno); ok { //nolint:errorlint // package unix returns it bare
		return errno
	}
	return unix.EIO
}
