// Package statefile keeps a small file that a daemon must find again after it
// was killed.
//
// The file is replaced whole or not at all, belongs to one process at a time,
// and is only believed when nobody but that process's user, or root, can have
// written it. The daemon runs as root and its files may be in a directory that
// others write to: no symbolic link is followed.
package statefile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

var (
	// ErrInUse says that another process has the file.
	ErrInUse = errors.New("in use by another process")
	// ErrUntrusted says that somebody else may have written the file.
	ErrUntrusted = errors.New("not to be trusted")
)

// File is a state file that this process has locked. Its methods are for any
// goroutine.
type File struct {
	path string
	lock *os.File
	// readOnly, unless nil, is why it cannot be written.
	readOnly error

	mu sync.Mutex
	// numbered is the number of the newest content, written that of the one that
	// has the path.
	numbered, written uint64
}

// Open locks the file, which need not exist, until Close or the end of the
// process, and removes what an interrupted Replace has left.
func Open(path string) (*File, error) {
	lock, err := open(path+".lock", unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	left, _ := filepath.Glob(path + ".new*") // a path that is a bad pattern leaves its files
	for _, name := range left {
		_ = os.Remove(name) // Replace would say what is wrong here
	}
	return &File{path: path, lock: lock}, nil
}

// ReadOnly is a file that Open could not lock, for the reason why, and that is
// needed all the same: it can be read.
func ReadOnly(path string, why error) *File { return &File{path: path, readOnly: why} }

// Why is why the file can only be read; nil if it can be written.
func (f *File) Why() error { return f.readOnly }

// open opens a file that only this user and root can write.
func open(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("it is no regular file")
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		err = fmt.Errorf("it belongs to uid %d", st.Uid)
	case st.Mode&0o022 != 0:
		err = fmt.Errorf("others may write to it (mode %#o)", st.Mode&0o777)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w: %w", path, ErrUntrusted, err)
	}
	return f, nil
}

// Read is the content, of limit bytes at most. An error of class fs.ErrNotExist
// says that there is no file.
func (f *File) Read(limit int64) ([]byte, error) {
	file, err := open(f.path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", f.path, limit)
	}
	return data, err
}

// Next numbers a content. It is to be called when the content is put together:
// where several are written at a time, the newest stays.
func (f *File) Next() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.numbered++
	return f.numbered
}

// Replace makes data, which is the nth, the content. It does not wait for the
// disk: the content outlives the process, not a power failure.
func (f *File) Replace(n uint64, data []byte) error { return f.replace(n, data, (*os.File).Close) }

// ReplaceSynced is Replace that waits for the disk.
func (f *File) ReplaceSynced(n uint64, data []byte) error {
	return f.replace(n, data, func(file *os.File) error { return errors.Join(file.Sync(), file.Close()) })
}

func (f *File) replace(n uint64, data []byte, finish func(*os.File) error) error {
	if f.readOnly != nil {
		return f.readOnly
	}
	name := fmt.Sprintf("%s.new%d", f.path, n)
	file, err := open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, finish(file)); err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if n > f.written {
			f.written = n
			return os.Rename(name, f.path)
		}
	}
	return errors.Join(err, os.Remove(name))
}

// Remove removes the file.
func (f *File) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = f.numbered
	if f.readOnly != nil {
		return f.readOnly
	}
	if err := unix.Unlink(f.path); err != nil && err != unix.ENOENT { // not os.Remove: it takes directories away
		return &os.PathError{Op: "remove", Path: f.path, Err: err}
	}
	return nil
}

// SetAside renames the file, for people: this process can make nothing of it.
func (f *File) SetAside() (name string, err error) {
	if info, err := os.Lstat(f.path); err != nil || info.IsDir() {
		return "", cmp.Or(err, error(&os.PathError{Op: "rename", Path: f.path, Err: unix.EISDIR}))
	}
	if f.readOnly != nil {
		return "", f.readOnly
	}
	name = f.path + ".unreadable"
	return name, os.Rename(f.path, name)
}

// Close unlocks the file.
func (f *File) Close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}
