package monitor

import (
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Follow watches the regular containers of s from now on.
func (f *Fast) Follow(s *snapshot.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.follows++
	f.regular = 0
	f.cpus = 0
	if s.Host.CPUs.OK() {
		f.cpus = s.Host.CPUs.N
	}
	changed := false
	i := 0 // both lists are sorted by key
	known := len(f.watched)
	for k := range s.Containers {
		c := &s.Containers[k]
		if c.Parent != "" || !c.OnDisk || c.Class() != snapshot.ClassRegular || f.root == "" {
			continue
		}
		f.regular++
		for i < known && compareKeys(f.watched[i].key, c.Key) < 0 {
			i++
		}
		var w *watched
		if i < known && f.watched[i].key == c.Key {
			w = f.watched[i]
		} else if w = f.watch(c.Key); w != nil {
			f.watched = append(f.watched, w)
			changed = true
		}
		if w != nil {
			w.follows = f.follows
			w.throttle(c)
		}
	}
	for _, w := range f.watched {
		if w.follows != f.follows {
			f.close(w)
			changed = true
		}
	}
	if changed {
		f.watched = slices.DeleteFunc(f.watched, func(w *watched) bool { return w.follows != f.follows })
		slices.SortFunc(f.watched, func(a, b *watched) int { return compareKeys(a.key, b.key) })
	}
}

func compareKeys(a, b snapshot.Key) int {
	switch {
	case a.ID != b.ID:
		if a.ID < b.ID {
			return -1
		}
		return 1
	case a.Inode < b.Inode:
		return -1
	case a.Inode > b.Inode:
		return 1
	}
	return 0
}

// throttle takes over how much of the last tick the container's own quota held
// it back, which is pressure too, but not of others' making.
func (w *watched) throttle(c *snapshot.Container) {
	nanos, at := c.CPU.ThrottledNanos, c.At
	before := *w
	w.throttledNanos, w.throttledAt, w.throttled = nanos, at, 0
	dt := at.Sub(before.throttledAt)
	if nanos.OK() && before.throttledNanos.OK() && nanos.N >= before.throttledNanos.N && dt > 0 {
		// The kernel adds up over all CPUs.
		w.throttled = min(1, float64(nanos.N-before.throttledNanos.N)/float64(dt))
	}
}

// watch opens the file of a container, nil when there is no descriptor left or
// it is gone already.
func (f *Fast) watch(key snapshot.Key) *watched {
	if f.open >= f.limit || f.hostFD < 0 {
		return nil
	}
	path := kernel.NewPath(filepath.Join(f.root, key.ID))
	dir, errno := kernel.Open(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errno != 0 {
		return nil
	}
	defer unix.Close(dir)
	var buf unix.Statx_t
	if state, errno := kernel.StatDir(dir, emptyPath, &buf); errno != 0 || state.Inode != key.Inode {
		return nil
	}
	name := fileUsage
	if f.v2 {
		name = filePressure
	}
	fd, triggered := f.openTriggered(dir)
	if !triggered {
		if fd, errno = kernel.Open(dir, name, unix.O_RDONLY); errno != 0 {
			return nil
		}
	}
	f.open++
	return &watched{key: key, fd: fd, triggered: triggered}
}

var (
	emptyPath    = kernel.NewPath("")
	fileUsage    = kernel.NewPath("cpuacct.usage")
	filePressure = kernel.NewPath("cpu.pressure")
)

func (f *Fast) close(w *watched) {
	if w.fd >= 0 {
		unix.Close(w.fd) // with its trigger
		f.open--
		if w.triggered {
			f.triggers.Add(-1)
		}
	}
	w.fd, w.judged, w.since = -1, false, time.Time{}
	w.triggered, w.fired, w.spent = false, 0, false
	w.pace.forget()
}
