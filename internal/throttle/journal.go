package throttle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// The journal says what is applied, for the next process after this one was
// killed, on the same kernel: what a reboot does to cgroups, it does to all of
// them. So nothing waits for a disk that the containers keep busy: the page
// cache outlives any process.
//
// It is not trusted more than it has to be. Package statefile refuses what
// others could have written. An entry is confined to the control files of this
// package below the agent's cgroup root, to a cgroup of the inode it names, and
// to values that this package writes; and undoing it never takes anything from
// a container but the boost of a dying one.

// journalVersion is that of the file's format. Another one is not understood.
const journalVersion = 1

// mostJournal bounds what is read: 10 000 entries are 4 MB.
const mostJournal = 16 << 20

// document is the file.
type document struct {
	Version int    `json:"version"`
	BootID  string `json:"boot_id"`
	// Root is the directory that containers are in.
	Root    string  `json:"root"`
	Entries []entry `json:"entries"`
}

// entry is one control file that holds, or may hold, what we wrote.
type entry struct {
	// ID and Inode are the container's.
	ID    string `json:"container"`
	Inode uint64 `json:"inode"`
	// DirInode is that of the directory that File is in.
	DirInode uint64 `json:"dir_inode"`
	File     string `json:"file"`
	// Before is restored if the file holds one of Wrote.
	Before string    `json:"before"`
	Wrote  []string  `json:"wrote"`
	Since  time.Time `json:"since,omitzero"`
}

func (e *entry) key() snapshot.Key { return snapshot.Key{ID: e.ID, Inode: e.Inode} }

// bootID names the run of the kernel, "" if that cannot be told.
func bootID(procRoot string) string {
	if procRoot == "" {
		procRoot = "/proc"
	}
	b, err := os.ReadFile(filepath.Join(procRoot, "sys", "kernel", "random", "boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// load reads the entries; none without a file, or with one of before a reboot.
func (a *Actor) load() ([]entry, error) {
	if a.cfg.Journal == nil {
		return nil, nil
	}
	b, err := a.cfg.Journal.Read(mostJournal)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	d, err := parseJournal(b)
	switch {
	case err != nil:
		return nil, err
	case d.BootID != "" && a.bootID != "" && d.BootID != a.bootID:
		return nil, a.cfg.Journal.Remove()
	case d.Root != a.root:
		return nil, fmt.Errorf("%w: it is about containers in %q, not in %q", ErrJournal, d.Root, a.root)
	}
	return d.Entries, nil
}

// parseJournal reads a document strictly: a file of another version may mean
// something else by the same names.
func parseJournal(b []byte) (*document, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if version.Version != journalVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrJournal, version.Version, journalVersion)
	}
	var d document
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	for i := range d.Entries {
		if err := d.Entries[i].check(); err != nil {
			return nil, fmt.Errorf("%w: entries[%d]: %w", ErrJournal, i, err)
		}
	}
	return &d, nil
}

// check refuses what this package would not have written.
func (e *entry) check() error {
	switch {
	case !isName(e.ID):
		return fmt.Errorf("container %q", e.ID)
	case e.Inode == 0 || e.DirInode == 0:
		return fmt.Errorf("container %q has no inode", e.ID)
	case len(e.Wrote) == 0 || len(e.Wrote) > 2:
		return fmt.Errorf("%d values were written", len(e.Wrote))
	}
	for _, value := range append([]string{e.Before}, e.Wrote...) {
		if canon, _, ok := canonical(e.File, value); !ok || canon != value {
			return fmt.Errorf("%s %q", e.File, value)
		}
	}
	for _, value := range e.Wrote {
		if !mayHaveWritten(e.File, e.Before, value) {
			return fmt.Errorf("%s would never be %q instead of %q", e.File, value, e.Before)
		}
	}
	return nil
}

// adopt makes the containers that entries name.
func (a *Actor) adopt(entries []entry) error {
	for i := range entries {
		e := &entries[i]
		k := slices.IndexFunc(a.specs[:], func(s spec) bool { return s.root != "" && s.file == e.File })
		if k < 0 {
			return fmt.Errorf("%w: entries[%d]: this node has no %q", ErrJournal, i, e.File)
		}
		f := file{applied: true, inode: e.DirInode, base: e.Before, since: e.Since, ours: e.Wrote[0]}
		if len(e.Wrote) > 1 {
			f.was = e.Wrote[1]
		}
		a.byKey(e.key()).files[k] = f
	}
	return nil
}

// entries are what the journal has to say.
func (a *Actor) entries() []entry {
	var entries []entry
	for _, c := range a.sorted {
		for k := range c.files {
			f := &c.files[k]
			if !f.applied {
				continue
			}
			e := entry{
				ID: c.ID, Inode: c.Inode, DirInode: f.inode, File: a.specs[k].file,
				Before: f.base, Wrote: []string{f.ours}, Since: f.since,
			}
			if f.was != "" {
				e.Wrote = append(e.Wrote, f.was)
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// save brings the journal up to date. It answers why nothing new may be
// written, "" if it may.
func (a *Actor) save() reason.Code {
	if a.cfg.Journal == nil {
		return NoJournal
	}
	if a.stale {
		a.step()
		entries := a.entries()
		err := a.replace(entries)
		a.step()
		if err != nil && a.journalErr == nil {
			a.log.Error("The journal of throttles cannot be written: nothing new is throttled.", "error", err)
		} else if err == nil && a.journalErr != nil && len(entries) > 0 { // that there is none proves nothing
			a.log.Info("The journal of throttles can be written again.")
		}
		a.journalErr, a.stale = err, err != nil
	}
	if a.journalErr != nil {
		return JournalFailed
	}
	return ""
}

// replace replaces the file whole or not at all; without entries there is none.
func (a *Actor) replace(entries []entry) error {
	if len(entries) == 0 {
		return a.cfg.Journal.Remove()
	}
	b, err := json.Marshal(document{journalVersion, a.bootID, a.root, entries})
	if err != nil {
		return err
	}
	return a.cfg.Journal.Replace(a.cfg.Journal.Next(), b)
}

// leftovers is the error of what could not be restored.
func (a *Actor) leftovers() error {
	var errs []error
	for _, c := range a.sorted {
		for k := range c.files {
			if c.files[k].applied {
				errs = append(errs, fmt.Errorf("%w: %s: %s", ErrLeft, a.specs[k].path(c.ID), c.done[k].Why))
			}
		}
	}
	return errors.Join(append(errs, a.journalErr)...)
}
