package monitor

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// A pressure trigger has the kernel say that tasks of a cgroup waited for a part
// of a window (Documentation/accounting/psi.rst, "Monitoring for pressure
// thresholds"). With a window below 2 s that takes CAP_SYS_RESOURCE, and one
// kernel thread (psimon) for each cgroup, which looks every tenth of the window
// for as long as tasks of it wait now and then (kernel/sched/psi.c,
// UPDATES_PER_WINDOW).
//
// Triggers are on single regular containers only. One on the whole host would
// fire all the time where revocable tasks always wait, and on a large host one
// container that waits on one CPU is too little to make it fire.

// There is one event in a window at most, so that one that fires at less than
// what is looked for is spent when it is needed: with 10 ms in 500 ms, one that
// waits 5 % of the time was noticed no sooner than by polling. So it is what a
// poll calls squeezed: stalledAbove of FastEvery. Kernels before 6.4 allow no
// window below 500 ms, of which a fifth is longer than a poll takes.
//
// With its NUL, for which the kernel takes the last byte whatever it is
// (psi_write).
const trigger = "some 20000 100000\x00"

// triggerLong tells a kernel that knows no such window from one that refuses any.
const triggerLong = "some 100000 500000\x00"

// maxTriggers bounds the kernel threads and what they cost: 60 to 100 looks a
// second for each container that waits at all (with a timer tick of 4 or 1 ms), of
// 5600 instructions each on one CPU. Other containers are polled only.
const maxTriggers = 8

// triggersRefused is why no trigger can be registered, "" when they can. It tries
// one on the host, since rights alone do not tell.
func triggersRefused(l cgroup.Layout, procRoot string) string {
	switch {
	case !l.Real:
		return "a copied tree has no kernel behind it"
	case l.Mode != cgroup.V2:
		return "cgroup v1 has no pressure of single cgroups"
	}
	path := filepath.Join(procRoot, "pressure", "cpu")
	err := tryTrigger(path, trigger)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, unix.EINVAL) && tryTrigger(path, triggerLong) == nil:
		return "a kernel before 6.4 has no triggers faster than polling"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		// Documentation/accounting/psi.rst: unprivileged windows are multiples of
		// 2 s, else EINVAL; before 6.4 the file cannot be opened for writing.
		return "kernel triggers faster than polling take CAP_SYS_RESOURCE"
	}
	return fmt.Sprintf("the kernel refuses a trigger: %v", err)
}

// tryTrigger registers a trigger for a moment.
func tryTrigger(path, text string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// openTriggers makes what Wait waits on, if there may be triggers.
func (f *Fast) openTriggers(m *Monitor) {
	f.noTriggers = triggersRefused(m.layout, m.cfg.ProcRoot)
	if f.noTriggers != "" {
		return
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		f.noTriggers = fmt.Sprintf("no descriptor to wait on: %v", err)
		return
	}
	f.epoll = fd
}

// Triggers is how many containers the kernel watches for it between two polls.
func (f *Fast) Triggers() int { return int(f.triggers.Load()) }

// openTriggered opens the pressure file of the container dir with a trigger of
// its own, through which it can be read as well; false when it cannot have one.
func (f *Fast) openTriggered(dir int) (fd int, ok bool) {
	if f.epoll < 0 || f.Triggers() >= maxTriggers {
		return -1, false
	}
	fd, errno := kernel.Open(dir, filePressure, unix.O_RDWR)
	if errno != 0 {
		return -1, false
	}
	if _, err := unix.Write(fd, []byte(trigger)); err != nil || unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, f.event(fd)) != nil {
		unix.Close(fd)
		return -1, false
	}
	f.triggers.Add(1)
	return fd, true
}

// triggerEvents: each is to be told once. A container that always waits is no
// news, and a cgroup that was removed would say so for ever (EPOLLERR).
const triggerEvents = unix.EPOLLPRI | unix.EPOLLONESHOT

// event is one of fd for the kernel, in memory that is kept.
func (f *Fast) event(fd int) *unix.EpollEvent {
	f.asked = unix.EpollEvent{Events: triggerEvents, Fd: int32(fd)}
	return &f.asked
}

// glancePolls: a trigger that fires just before a poll, which then finds too
// little of it, may lead to a glance after that.
const glancePolls = 2

// fire marks the containers whose triggers fired.
func (f *Fast) fire(events []unix.EpollEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		for _, w := range f.watched {
			if w.triggered && w.fd == int(events[i].Fd) {
				w.fired, w.spent = glancePolls, true
			}
		}
	}
}

// rearm follows a poll that read w: its trigger is to fire again, once it is not
// squeezed any more.
func (f *Fast) rearm(w *watched) {
	if w.fired > 0 {
		w.fired--
		f.again = f.again || w.fired > 0 && !w.pace.squeezed
	}
	if w.spent && w.fd >= 0 && !w.pace.squeezed {
		w.spent = unix.EpollCtl(f.epoll, unix.EPOLL_CTL_MOD, w.fd, f.event(w.fd)) != nil
	}
}

// foresee reads a container whose trigger fired, and says now what the next poll
// is going to say of it.
func (f *Fast) foresee(w *watched, now time.Time) {
	text, why := kernel.Read(w.fd, f.buf)
	at := f.mono()
	if why == snapshot.Vanished {
		f.close(w)
		return
	}
	soon := false
	if why == snapshot.Present {
		if some := kernel.ParsePSI(text).SomeMicros; some.OK() {
			var news bool
			news, soon = w.pace.foresee(some.N, at, f.calmAt, w.throttled)
			f.squeezes(w, now, news)
		}
	}
	if f.again = f.again || soon; !soon {
		w.fired = 0 // it was short
	}
}
