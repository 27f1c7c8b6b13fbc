package throttle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// journalVersion is that of the file's format. Another one is not understood.
const journalVersion = 1

// mostJournal bounds what is read: 10 000 entries are 4 MB.
const mostJournal = 16 << 20

// journal is the file that says what is in force.
//
// It is for the next process after this one was killed, on the same kernel:
// what a reboot does to cgroups, it does to all of them. So it is not synced,
// and nothing waits for a disk that the containers keep busy: the page cache
// outlives any process. After a power failure there may be an old or a broken
// file, whose boot id is another one if it can be read at all.
type journal struct {
	path, bootID string
	// broken is the last error of saving, nil when it went well.
	broken error
	// written is called before a written file takes its name.
	written func()
}

// document is the file.
type document struct {
	Version int     `json:"version"`
	BootID  string  `json:"boot_id"`
	Entries []entry `json:"entries"`
}

// entry is one control file that holds, or may hold, what we wrote.
type entry struct {
	// ID and Inode are the container's; Identity is the directory in which it
	// has that inode.
	ID       string `json:"container"`
	Inode    uint64 `json:"inode"`
	Identity string `json:"identity"`
	// Root, Leaf and DirInode are the directory that File is in.
	Root     string `json:"root"`
	Leaf     bool   `json:"leaf,omitempty"`
	DirInode uint64 `json:"dir_inode"`
	File     string `json:"file"`
	// Before is given back if the file holds one of Wrote.
	Before string    `json:"before"`
	Wrote  []string  `json:"wrote"`
	Since  time.Time `json:"since,omitzero"`
}

func (e *entry) key() snapshot.Key { return snapshot.Key{ID: e.ID, Inode: e.Inode} }

// path is the file in full.
func (e *entry) path() string {
	if e.Leaf {
		return filepath.Join(e.Root, e.ID, leafName, e.File)
	}
	return filepath.Join(e.Root, e.ID, e.File)
}

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
func (j *journal) load() ([]entry, error) {
	if j.path == "" {
		return nil, nil
	}
	info, err := os.Lstat(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	case !info.Mode().IsRegular() || info.Size() > mostJournal:
		return nil, fmt.Errorf("%w: %s: mode %s, %d bytes", ErrJournal, j.path, info.Mode(), info.Size())
	}
	b, err := os.ReadFile(j.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	d, err := parseJournal(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, j.path)
	}
	if d.BootID != "" && j.bootID != "" && d.BootID != j.bootID {
		return nil, j.remove()
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
	if !isName(e.ID) {
		return fmt.Errorf("container %q", e.ID)
	}
	for _, path := range []string{e.Identity, e.Root} {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return fmt.Errorf("directory %q", path)
		}
	}
	if len(e.Wrote) == 0 {
		return errors.New("nothing was written")
	}
	for _, value := range append([]string{e.Before}, e.Wrote...) {
		if canon, _, ok := canonical(e.File, value); !ok || canon != value {
			return fmt.Errorf("%s %q", e.File, value)
		}
	}
	return nil
}

// save replaces the file whole or not at all; without entries there is none.
func (j *journal) save(entries []entry) error {
	if len(entries) == 0 {
		return j.remove()
	}
	b, err := json.Marshal(document{journalVersion, j.bootID, entries})
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	temporary := j.path + ".new"
	if err := os.WriteFile(temporary, b, 0o600); err != nil {
		return fmt.Errorf("write the journal: %w", errors.Join(err, removeFile(temporary)))
	}
	j.written()
	if err := os.Rename(temporary, j.path); err != nil {
		return fmt.Errorf("write the journal: %w", errors.Join(err, removeFile(temporary)))
	}
	return nil
}

func (j *journal) remove() error {
	if err := removeFile(j.path); err != nil {
		return fmt.Errorf("remove the journal: %w", err)
	}
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// moveAside keeps a journal that cannot be read, for people.
func (j *journal) moveAside() (string, error) {
	aside := j.path + ".unreadable"
	return aside, os.Rename(j.path, aside)
}

// adopt makes the containers that entries name.
func (a *Actor) adopt(entries []entry) error {
	for i := range entries {
		e := &entries[i]
		k := numKinds
		for kk, s := range a.specs {
			if s.file != "" && s.file == e.File && s.leaf == e.Leaf {
				k = kind(kk)
			}
		}
		if k == numKinds || !a.inside(e.Root) || !a.inside(e.Identity) {
			return fmt.Errorf("%w: %s is not of this node's layout", ErrJournal, e.path())
		}
		c := a.byKey(e.key())
		c.identity = e.Identity
		h := held{on: true, root: e.Root, inode: e.DirInode, base: e.Before, since: e.Since, ours: e.Wrote[0]}
		if len(e.Wrote) > 1 {
			h.was = e.Wrote[1]
		}
		c.held[k] = h
	}
	return nil
}

// inside reports whether path is where cgroups are.
func (a *Actor) inside(path string) bool {
	return path == a.cfg.Layout.Root || strings.HasPrefix(path, a.cfg.Layout.Root+"/")
}

// entries are what the journal has to say.
func (a *Actor) entries() []entry {
	var entries []entry
	for _, c := range a.sorted {
		for k := range c.held {
			h := &c.held[k]
			if !h.on {
				continue
			}
			e := entry{
				ID: c.ID, Inode: c.Inode, Identity: c.identity,
				Root: h.root, Leaf: a.specs[k].leaf, DirInode: h.inode, File: a.specs[k].file,
				Before: h.base, Wrote: []string{h.ours}, Since: h.since,
			}
			if h.was != "" {
				e.Wrote = append(e.Wrote, h.was)
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// save brings the journal up to date. It answers why nothing new may be
// written, "" if it may.
func (a *Actor) save() reason.Code {
	if a.journal.path == "" {
		return NoJournal
	}
	if a.stale {
		a.step()
		entries := a.entries()
		err := a.journal.save(entries)
		a.step()
		if err != nil && a.journal.broken == nil {
			a.log.Error("The journal of throttles cannot be written: nothing new is throttled.", "error", err)
		} else if err == nil && a.journal.broken != nil && len(entries) > 0 { // that there is none proves nothing
			a.log.Info("The journal of throttles can be written again.")
		}
		a.journal.broken, a.stale = err, err != nil
	}
	if a.journal.broken != nil {
		return JournalFailed
	}
	return ""
}

// leftovers is the error of what could not be given back.
func (a *Actor) leftovers() error {
	var errs []error
	for _, e := range a.entries() {
		why := Failed
		for k, s := range a.specs {
			if s.file == e.File {
				why = a.known[e.key()].done[k].Why
			}
		}
		errs = append(errs, fmt.Errorf("%w: %s: %s", ErrLeft, e.path(), why))
	}
	return errors.Join(append(errs, a.journal.broken)...)
}
