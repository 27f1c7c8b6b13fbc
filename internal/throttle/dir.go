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

func openAt(at int, name string, flags int) (fd int, errno unix.Errno) {
	errno = untilDone(func() (err error) {
		fd, err = unix.Openat(at, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, errno
}

// untilDone calls again what a signal has interrupted.
func untilDone(call func() error) unix.Errno {
	for {
		err := call()
		if err == nil {
			return 0
		}
		errno, ok := err.(unix.Errno) //nolint:errorlint // package unix returns it bare
		if !ok {
			return unix.EIO
		}
		if errno != unix.EINTR {
			return errno
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
	if errno := untilDone(func() error { return unix.Fstatat(at, name, &st, flags) }); errno != 0 {
		return 0, errno
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
	buf := make([]byte, longest)
	var n int
	errno = untilDone(func() (err error) {
		n, err = unix.Read(fd, buf)
		return err
	})
	return strings.TrimSpace(string(buf[:max(n, 0)])), errno
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
	return untilDone(func() error {
		n, err := unix.Write(fd, []byte(value))
		if err == nil && n != len(value) {
			err = unix.EIO
		}
		return err
	})
}
