package cgroup

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Container is a container on disk, for as long as its cgroup lives.
type Container struct {
	snapshot.Key
	// Parent is the id of the container it is nested in, "" at top level.
	Parent string
	// FirstSeen is when it was found.
	FirstSeen time.Time

	// rel is its directory below the agent's root, without a NUL.
	rel string
	// dirInode is the inode as its parent's listing states it.
	dirInode uint64
	// seen is the scan that saw it last; born the tick that found it.
	seen, born uint64
	// rush: it came with very many others.
	rush bool
	// gone: it was removed, and is only left in a list made before.
	gone bool
	// dead: the kernel said that its cgroup is no more. One that is listed under
	// its name is another, whatever its inode: kernels of 32 bits, and those
	// before 5.5, give inode numbers again.
	dead  bool
	depth int
	// up is the container it is nested in, nil at top level.
	up *Container
	// phase is its turn among the ticks for what is read slowly.
	phase uint64

	files     [numKinds]file
	cpu       kernel.Rate
	throttled kernel.Rate
	pressure  [3]kernel.PressureRate

	// What the last slow turn read.
	slow slowReadings

	// Those nested in it: their directory's state when it was listed, and the
	// containers by name.
	nestedState kernel.DirState
	nestedDirty bool
	nested      map[string]*Container
}

// slowReadings are those carried from one slow turn to the next.
type slowReadings struct {
	memory  kernel.MemoryStat
	statAt  time.Time
	usageAt uint64 // usage in bytes when memory.stat was read
	// quota: it has one, whether or not it could be understood.
	quota      bool
	quotaCores snapshot.Value
	pids       snapshot.Count
	memSome    snapshot.Value
	memFull    snapshot.Value
	ioSome     snapshot.Value
	ioFull     snapshot.Value
	everFilled bool
}

// file is one kept descriptor.
type file struct {
	fd int32 // -1: not open
	// why it is not open.
	why snapshot.Absence
	// wasOpen: it was open once, so that its absence means removal.
	wasOpen bool
}

func compareContainers(a, b *Container) int {
	return a.Compare(b.Key)
}

// closeFile drops a kept descriptor.
func (t *Tree) closeFile(f *file, why snapshot.Absence) {
	if f.fd >= 0 {
		unix.Close(int(f.fd))
		t.fds--
	}
	f.fd, f.why = -1, why
}
