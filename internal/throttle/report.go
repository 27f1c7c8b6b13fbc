package throttle

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Report is what is applied after an Apply, and what is not.
type Report struct {
	At time.Time
	// Containers are those to which anything is wanted or applied, sorted by
	// id and inode.
	Containers []Container
	// Counters count since the Actor was made.
	Counters Counters
	// Journal is Applied, NoJournal or JournalFailed, and JournalErr the error
	// of the last.
	Journal    reason.Code
	JournalErr error
}

// Counters count files, not containers.
type Counters struct {
	// Applied counts values written, Restored earlier values written again.
	Applied, Restored uint64
	// Overwritten counts how often what we wrote was no longer there.
	Overwritten uint64
	// Failed counts files that could not be looked at or written, at each call.
	Failed uint64
}

// Container is one container of a Report.
type Container struct {
	snapshot.Key
	// Dying: it has been said to die, and is boosted since then.
	Dying bool `json:"dying,omitzero"`
	// Settings are those that are wanted or applied, in a fixed order.
	Settings []Setting `json:"settings,omitempty"`
}

// Setting is one file of a container.
type Setting struct {
	// Name is weight, quota, memory_high or freeze; File the control file, ""
	// where the kernel has none.
	Name string `json:"name"`
	File string `json:"file,omitzero"`
	// Wanted: it was asked for at this call. If not, it should be undone.
	Wanted bool `json:"wanted,omitzero"`
	// Value is what is in the file that we wrote, "" if that is none of ours;
	// Before what is restored in its stead.
	Value  string `json:"value,omitzero"`
	Before string `json:"before,omitzero"`
	// Since is when something of ours was applied, zero if it is not.
	Since time.Time `json:"since,omitzero"`
	// Why is a code of this package.
	Why reason.Code `json:"why"`
}

// report says how things stand, and forgets what there is nothing to do about.
func (a *Actor) report(now time.Time) Report {
	r := Report{At: now, Counters: a.counters, Journal: Applied}
	switch {
	case a.cfg.Journal == nil:
		r.Journal = NoJournal
	case a.journalErr != nil:
		r.Journal, r.JournalErr = JournalFailed, a.journalErr
	}
	if len(a.sorted) > 0 {
		r.Containers = make([]Container, 0, len(a.sorted))
	}
	for _, c := range a.sorted {
		line := Container{Key: c.Key, Dying: c.want.dying, Settings: make([]Setting, 0, numKinds)}
		for k := range numKinds {
			if s := c.done[k]; s.Why != "" {
				line.Settings = append(line.Settings, s)
			}
		}
		if len(line.Settings) > 0 {
			r.Containers = append(r.Containers, line)
		}
	}
	return r
}

// forget drops the containers to which nothing is wanted or applied.
func (a *Actor) forget() {
	a.sorted = slices.DeleteFunc(a.sorted, func(c *container) bool {
		if !c.idle() {
			return false
		}
		delete(a.known, c.Key)
		return true
	})
}
