package cgroup

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Discovery without listing at each tick. On kernfs a directory's link count
// is 2 + its subdirectories (fs/kernfs/inode.c, kernfs_refresh_inode), so one
// stat tells that containers came or went. It does not tell when one went and
// another came; but the one that went was known, and reading a kept descriptor
// of a removed cgroup fails with ENODEV, which asks for a listing as well.
// Directories appear and go while they are listed: when the number of those
// seen is not what the link count said before, the next tick lists again. A
// slow full listing is the net below all that.

// maxNested bounds the nested containers of one container. The agent gives a
// container's directory to the task's user, who could make any number there.
const maxNested = 256

// maxDepth bounds nesting (on v2 the agent nests without a limit of its own).
const maxDepth = 16

// refreshTop lists the top-level containers when something hints at a change.
func (t *Tree) refreshTop() snapshot.Absence {
	due := t.lastScan == 0 || t.tick-t.lastScan >= uint64(t.cfg.RescanEvery)
	if !t.dirty && !due && !t.unwatched {
		return snapshot.Present
	}
	t.unwatched = false
	r := &t.roots[t.identity]
	if errno := t.dirs.Open(r.fd, dot, 0); errno != 0 {
		t.dirty = true
		return kernel.WhyErrno(errno)
	}
	subdirs, _, errno := t.list(t.top, nil, math.MaxInt)
	if errno != 0 {
		t.dirty = true
		return kernel.WhyErrno(errno)
	}
	t.dirty = t.cfg.Layout.Real && r.state.Links != subdirs+2
	t.lastScan = t.tick
	t.sweep(t.top)
	return snapshot.Present
}

var dot = kernel.NewPath(".")

// list meets the containers in the directory that dirs has open, and closes it.
// With as many as most known, new ones are ignored.
func (t *Tree) list(known map[string]*Container, parent *Container, most int) (subdirs uint64, ignored int, errno unix.Errno) {
	t.scans++
	t.work.Listings++
	for {
		name, inode, ok := t.dirs.Next()
		if !ok {
			return subdirs, ignored, t.dirs.Close()
		}
		subdirs++
		if !isContainerID(name, t.cfg.Layout.Mode) {
			continue
		}
		if len(known) >= most && known[string(name)] == nil {
			ignored++
			continue
		}
		t.meet(known, parent, name, inode)
	}
}

// meet handles one directory of a listing of parent's nested containers, or
// of the top level.
func (t *Tree) meet(known map[string]*Container, parent *Container, name []byte, inode uint64) {
	if c, ok := known[string(name)]; ok {
		if c.dirInode == inode && !c.dead {
			c.seen = t.scans
			return
		}
		t.remove(known, c)
	}
	if c := t.add(parent, string(name), inode); c != nil {
		known[c.ID] = c
	}
}

// sweep drops what the last listing of known did not see.
func (t *Tree) sweep(known map[string]*Container) {
	for _, c := range known {
		if c.seen != t.scans {
			t.remove(known, c)
		}
	}
}

// add opens a container that was listed; nil when it is gone already.
func (t *Tree) add(parent *Container, name string, inode uint64) *Container {
	c := &Container{
		Key:       snapshot.Key{ID: name, Inode: inode},
		FirstSeen: t.now,
		rel:       name,
		dirInode:  inode,
		seen:      t.scans,
		born:      t.tick,
		phase:     t.nextAt,
		rush:      t.births >= rush && t.lastScan > 0,
		// To be listed once.
		nestedDirty: true,
	}
	for k := range c.files {
		c.files[k] = file{fd: -1}
	}
	if parent != nil {
		c.Parent, c.up = parent.ID, parent
		c.depth = parent.depth + 1
		c.rel = parent.rel + "/" + separator + "/" + name
	}
	dir, errno := kernel.Open(t.roots[t.identity].fd, t.pathOf(c, nil), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	switch errno {
	case 0:
		state, errno := kernel.StatDir(dir, empty, &t.statBuf)
		if errno == 0 {
			c.Inode = state.Inode
			t.openFrom(c, dir)
		}
		unix.Close(dir)
	case unix.ENOENT, unix.ENODEV:
		t.dirty = true
		return nil
	default:
		// No descriptor left, or no permission: it is there all the same, and
		// its readings will say why they are absent.
	}
	t.nextAt++
	t.births++
	t.changed = true
	return c
}

// rush is how many containers in one tick are very many; those that are there
// when the daemon starts are not.
const rush = 20

var empty = kernel.NewPath("")

// remove closes what is known of c and of those nested in it.
func (t *Tree) remove(known map[string]*Container, c *Container) {
	for _, child := range c.nested {
		t.remove(c.nested, child)
	}
	for k := range c.files {
		t.closeFile(&c.files[k], snapshot.Vanished)
	}
	t.setQuota(c, false)
	c.gone = true
	delete(known, c.ID)
	t.changed = true
}

func (t *Tree) dropAll() {
	for _, c := range t.top {
		t.remove(t.top, c)
	}
}

// refreshNested looks for nested containers of those whose turn it is. They
// only inform (their parent's readings include theirs), so that being a few
// ticks late does no harm.
func (t *Tree) refreshNested() {
	for _, c := range t.sorted {
		if !c.gone && c.depth < maxDepth && (c.nestedDirty || t.isCheckTurn(c)) {
			t.listNested(c)
		}
	}
}

func (t *Tree) listNested(c *Container) {
	fd := t.roots[t.identity].fd
	path := t.pathOf(c, separatorPath)
	state, errno := kernel.StatDir(fd, path, &t.statBuf)
	if errno != 0 {
		for _, child := range c.nested {
			t.remove(c.nested, child)
		}
		c.nestedState, c.nestedDirty = kernel.DirState{}, false
		return
	}
	if state == c.nestedState && !c.nestedDirty && t.cfg.Layout.Real {
		return
	}
	if errno := t.dirs.Open(fd, path, unix.O_NOFOLLOW); errno != 0 {
		return
	}
	if c.nested == nil {
		c.nested = make(map[string]*Container)
	}
	subdirs, ignored, errno := t.list(c.nested, c, maxNested)
	t.work.NestedIgnored += ignored
	if errno != 0 {
		c.nestedDirty = true
		return
	}
	c.nestedState = state
	c.nestedDirty = t.cfg.Layout.Real && state.Links != subdirs+2
	t.sweep(c.nested)
}

var separatorPath = kernel.NewPath(separator)

// pathOf is c's directory, or name in it, below the agent's root, until the
// next call.
func (t *Tree) pathOf(c *Container, name kernel.Path) kernel.Path {
	t.scratch = append(t.scratch[:0], c.rel...)
	if name == nil {
		t.scratch = append(t.scratch, 0)
		return t.scratch
	}
	t.scratch = append(t.scratch, '/')
	t.scratch = append(t.scratch, name...)
	return t.scratch
}
