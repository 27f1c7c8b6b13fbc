package monitor

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// On a host on which nobody waits for a CPU no container can be squeezed: one
// file tells that of all of them.

const (
	// calmBelow is a share of time in which some task on the host waited, below
	// which no container can be squeezed, so that each is read only in one of
	// calmEvery polls, to know what is usual. On v1 that is so by definition
	// (busyAbove). On v2 the host's share is the mean of those of its n CPUs, by
	// how long each was not idle (kernel/sched/psi.c, collect_percpu_times): where
	// a task of a container waits on one CPU for a share s of the time, that CPU
	// is not idle for at least as long, and the host's share is at least s²/n.
	// With calmBelow/n as the limit s is at most 0.14, less than stalledAbove.
	calmBelow = 0.02
	calmEvery = 5
)

// restful reports whether w, the i-th of those whose turn it is, need not be read
// in the n-th round.
func (f *Fast) restful(w *watched, i, n int) bool {
	return f.calm && w.judged && !w.pace.squeezed && i%calmEvery != n%calmEvery
}

// hostBusy reports whether tasks of the host wait for a CPU; false if that
// cannot be told at all.
func (f *Fast) hostBusy() (busy, ok bool) {
	if f.hostFD < 0 {
		return false, false
	}
	text, why := kernel.Read(f.hostFD, f.buf)
	some := snapshot.Count{Why: why}
	if why == snapshot.Present {
		some = kernel.ParsePSI(text).SomeMicros
	}
	if !some.OK() {
		f.calm = false
		return f.v2, f.v2 // there a container's own file says it
	}
	at := f.mono()
	if rate, _, ok := f.host.next(some.N, at); ok {
		share := rate * 1e3 // µs per ns
		f.host.squeezed = share > busyAbove
		f.calm = share < calmBelow
		if f.v2 {
			f.calm = share*float64(f.cpus) < calmBelow && f.cpus > 0
		}
	}
	if f.calm {
		f.calmAt = at
	}
	return f.host.squeezed || f.v2, true
}
