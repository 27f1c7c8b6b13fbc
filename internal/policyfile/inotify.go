package policyfile

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// changes are what may put another text behind the name: written in place,
// renamed to it (editors), or a link renamed in its directory (Kubernetes).
// What is still being written is not among them.
const changes = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_CREATE | unix.IN_DELETE |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// watch sees changes in the directory of a file, and in that of the file
// behind it where it is a symbolic link (inotify(7)).
type watch struct {
	path string
	fd   int
	file *os.File
	wds  map[string]int
}

func newWatch(path string) (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &watch{path: path, fd: fd, file: os.NewFile(uintptr(fd), "inotify"), wds: map[string]int{}}
	w.refresh()
	if len(w.wds) == 0 {
		_ = w.file.Close()
		return nil, errors.New("its directory cannot be watched")
	}
	return w, nil
}

// refresh watches what is behind the names now: a directory may have been
// replaced, a link may point elsewhere.
func (w *watch) refresh() {
	dirs := []string{filepath.Dir(w.path)}
	if behind, err := filepath.EvalSymlinks(w.path); err == nil && filepath.Dir(behind) != dirs[0] {
		dirs = append(dirs, filepath.Dir(behind))
	}
	wds := map[string]int{}
	for _, dir := range dirs {
		// The same directory has the same descriptor.
		if wd, err := unix.InotifyAddWatch(w.fd, dir, changes); err == nil {
			wds[dir] = wd
		}
	}
	for _, old := range w.wds {
		if !among(wds, old) {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(old)) // gone with its directory
		}
	}
	w.wds = wds
}

func among(wds map[string]int, wd int) bool {
	for _, w := range wds {
		if w == wd {
			return true
		}
	}
	return false
}

// run tells of changes until the watch is closed. What has changed does not
// matter: the file is compared as a whole.
func (w *watch) run(events chan<- struct{}) {
	var buf [4096]byte
	for {
		if _, err := w.file.Read(buf[:]); err != nil {
			return
		}
		select {
		case events <- struct{}{}:
		default: // one is on its way
		}
	}
}

func (w *watch) close() { _ = w.file.Close() }
