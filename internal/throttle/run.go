package throttle

import (
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/reason"
)

// run looks at all containers, writes the journal, and then the cgroups: in
// this order, so that at each moment the journal names whatever is applied.
func (a *Actor) run(now time.Time) { a.runOn(now, a.sorted) }

// runOn is run for some containers.
func (a *Actor) runOn(now time.Time, containers []*container) {
	if len(containers) == 0 {
		return
	}
	defer a.roots.close()
	a.now = now
	for _, c := range containers {
		a.decide(c)
	}
	saved := a.save()
	for _, c := range containers {
		for k := range numKinds {
			a.carryOut(c, k, saved)
		}
	}
	_ = a.save() // what was restored; if not now, then with the next one
}

// decide decides about each file of c.
func (a *Actor) decide(c *container) {
	c.gone = ""
	where := a.whereabouts(c)
	if where == Vanished || where == Recreated {
		c.gone = where
	}
	nested := where == "" && a.specs[quota].leaf && (c.want.of(quota) || c.want.of(memoryHigh)) && a.hasNested(c)
	for k := range numKinds {
		h := &c.files[k]
		c.todo[k] = decision{}
		if k == weight && c.expired() {
			c.todo[k].why = BoostExpired
		}
		switch {
		case !h.applied && !c.want.of(k):
			continue
		case c.gone != "":
			a.stale = a.stale || h.applied
			*h = file{}
			c.todo[k].why = where
			continue
		case where != "":
			c.todo[k].why = where
			continue
		}
		v := a.decideAbout(c, k)
		if v.why == Applied && nested && a.specs[k].leaf {
			v.why = PartialNested
		}
		if v.why == Released && k == weight && c.expired() {
			v.why = BoostExpired
		}
		if v.overwritten {
			a.counters.Overwritten++
		}
		if v.handOff != "" {
			c.handedOver = v.handOff
		}
		a.stale = a.stale || v.journal
		c.todo[k] = v
	}
}

// decideAbout decides about one file.
func (a *Actor) decideAbout(c *container, k kind) decision {
	h, s := &c.files[k], &a.specs[k]
	w := c.want
	if c.handedOver != "" {
		w.frozen = false
	}
	switch {
	case h.applied:
	case s.file == "":
		return decision{why: NoFile}
	case s.root == "":
		return decision{why: NoController}
	case k == freeze && c.handedOver != "":
		return decision{why: c.handedOver}
	}
	if !h.applied && a.specs[quota].leaf && !s.leaf {
		// Without a leaf this is a layout that nobody described.
		leaf, why := a.open(c, quota)
		if leaf < 0 {
			return decision{why: why}
		}
		unix.Close(leaf)
	}
	dir, why := a.open(c, k)
	if dir < 0 {
		return a.lost(h, why)
	}
	defer unix.Close(dir)
	text, errno := readAt(dir, s.file)
	if errno != 0 {
		return a.lost(h, codeOf(errno))
	}
	value, freezing, ok := canonical(s.file, text)
	if !ok {
		return decision{why: Malformed}
	}
	c.seen[k] = text
	at := reading{name: s.file, value: value, freezing: freezing}
	switch {
	case k == quota && !s.leaf && w.of(k):
		at.period, why = readPeriod(dir)
		if why != "" {
			return decision{why: why}
		}
	case k == memoryHigh && w.of(k):
		at.usage = readUsage(dir)
	case k == freeze && s.file == "cgroup.freeze" && value == "1":
		at.freezing = !isFrozen(dir)
	}
	if !h.applied {
		inode, errno := inodeAt(dir, "")
		if errno != 0 {
			return decision{why: codeOf(errno)}
		}
		*h = file{inode: inode}
	}
	if k == freeze {
		if v, ok := thawStuck(h, at, w, a.now); ok {
			return v
		}
	}
	return decide(k, h, at, w)
}

// lost is the decision on a file that cannot be read.
func (a *Actor) lost(h *file, why reason.Code) decision {
	v := decision{why: why}
	switch why {
	case NoFile, Vanished, Recreated:
		// What was written to it went with it.
		v.journal = h.applied
		*h = file{}
	}
	return v
}

// readPeriod is the period of a v1 quota, in µs.
func readPeriod(dir int) (uint64, reason.Code) {
	text, errno := readAt(dir, "cpu.cfs_period_us")
	if errno != 0 {
		return 0, codeOf(errno)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, Malformed
	}
	return n, ""
}

// readUsage is the memory in use, 0 if it cannot be read: memory.high is then
// set as asked.
func readUsage(dir int) uint64 {
	text, errno := readAt(dir, "memory.current")
	if n, ok := parseBytes(text); errno == 0 && ok && n != math.MaxUint64 {
		return n
	}
	return 0
}

// carryOut does what was decided about one file, and says so.
func (a *Actor) carryOut(c *container, k kind, saved reason.Code) {
	v, h := &c.todo[k], &c.files[k]
	failed := false
	if v.write != "" {
		if why := a.write(c, k, saved); why != "" {
			v.why, failed = why, true
		} else {
			a.wrote(c, k)
		}
	}
	if isFault(v.why) {
		a.counters.Failed++
	}
	c.done[k] = Setting{Name: kindNames[k], File: a.specs[k].file, Why: v.why, Wanted: c.want.of(k)}
	if h.applied && h.wrote {
		c.done[k].Value, c.done[k].Before, c.done[k].Since = h.ours, h.base, h.since
		if failed {
			c.done[k].Value = c.seen[k]
		}
	}
}

// write writes what was decided, "" for success. What restores is always
// allowed, anything else only if the journal has it, or lets a container die.
func (a *Actor) write(c *container, k kind, saved reason.Code) reason.Code {
	v := &c.todo[k]
	if saved != "" && !v.restore && !c.want.dying {
		return saved
	}
	if where := a.whereabouts(c); where != "" {
		return where
	}
	dir, why := a.open(c, k)
	if dir < 0 {
		return why
	}
	defer unix.Close(dir)
	file := a.specs[k].file
	switch text, errno := readAt(dir, file); {
	case errno != 0:
		return codeOf(errno)
	case text != c.seen[k] && (text != "FROZEN" || c.seen[k] != "FREEZING"):
		return Raced
	}
	a.step()
	if errno := writeAt(dir, file, v.write); errno != 0 {
		return codeOf(errno)
	}
	a.step()
	return ""
}

// wrote notes a write that succeeded.
func (a *Actor) wrote(c *container, k kind) {
	v, h := &c.todo[k], &c.files[k]
	switch {
	case v.restore:
		a.counters.Restored++
		a.stale = true
		*h = file{}
	case !v.again:
		a.counters.Applied++
		h.wrote = true
		if h.since.IsZero() {
			h.since = a.now
		}
	}
	if k == freeze && !v.restore {
		if dir, _ := a.open(c, k); dir >= 0 {
			if !isFrozen(dir) {
				v.why = Freezing
			}
			unix.Close(dir)
		}
	}
}

// isFrozen reports whether all tasks in dir have stopped; it is true where that
// cannot be told.
func isFrozen(dir int) bool {
	if text, errno := readAt(dir, "freezer.state"); errno == 0 {
		return text != "FREEZING"
	}
	text, errno := readAt(dir, "cgroup.events")
	return errno != 0 || !strings.Contains(text, "frozen 0")
}
