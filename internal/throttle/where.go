package throttle

import (
	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/reason"
)

// roots are the directories that containers are in, open while one Apply needs
// them: an agent may make them anew.
type roots []struct {
	path string
	fd   int
}

// at is the descriptor of path.
func (r *roots) at(path string) (int, unix.Errno) {
	for _, have := range *r {
		if have.path == path {
			return have.fd, 0
		}
	}
	fd, errno := openRoot(path)
	if errno == 0 {
		*r = append(*r, struct {
			path string
			fd   int
		}{path, fd})
	}
	return fd, errno
}

func (r *roots) close() {
	for _, have := range *r {
		unix.Close(have.fd)
	}
	*r = (*r)[:0]
}

// whereabouts says whether c is still the cgroup that its key names: "", or
// Vanished, Recreated, or why that cannot be told.
func (a *Actor) whereabouts(c *container) reason.Code {
	root, errno := a.roots.at(a.root)
	if errno == 0 {
		var inode uint64
		if inode, errno = inodeAt(root, c.ID); errno == 0 {
			if inode != c.Inode {
				return Recreated
			}
			return ""
		}
	}
	if code := codeOf(errno); code != NoFile {
		return code
	}
	return Vanished
}

// open opens the directory of c that k is set in, or says why not with a
// descriptor of -1.
func (a *Actor) open(c *container, k kind) (int, reason.Code) {
	s, h := &a.specs[k], &c.files[k]
	root, errno := a.roots.at(s.root)
	if errno != 0 {
		return -1, codeOf(errno)
	}
	dir, errno := openDir(root, c.ID)
	if errno != 0 {
		return -1, codeOf(errno)
	}
	if s.root == a.root && !sameInode(dir, c.Inode) {
		unix.Close(dir)
		return -1, Recreated
	}
	if s.leaf {
		leaf, errno := openDir(dir, leafName)
		unix.Close(dir)
		if errno != 0 {
			return -1, codeOf(errno)
		}
		dir = leaf
	}
	if h.applied && !sameInode(dir, h.inode) {
		unix.Close(dir)
		return -1, Recreated
	}
	return dir, ""
}

func sameInode(dir int, inode uint64) bool {
	got, errno := inodeAt(dir, "")
	return errno == 0 && got == inode
}

// hasNested reports whether containers with cgroups of their own may be nested
// in c.
func (a *Actor) hasNested(c *container) bool {
	root, errno := a.roots.at(a.root)
	if errno != 0 {
		return false
	}
	_, errno = inodeAt(root, c.ID+"/"+nestedName)
	return errno == 0
}
