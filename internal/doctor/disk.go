package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
)

// place is a directory that the daemon writes to.
type place struct {
	setting, dir string
	// made: the daemon makes the directory itself, in the one above.
	made bool
}

// places are those of the settings, in their order.
func (h *Host) places() (all []place) {
	cfg := &h.Settings
	add := func(setting, dir string, made bool) {
		if dir != "" && dir != "." {
			all = append(all, place{setting, dir, made})
		}
	}
	if cfg.StateFile != "" {
		add("state_file", filepath.Dir(cfg.StateFile), false)
	}
	if journal := daemon.JournalOf(cfg); journal != "" && journal != cfg.Socket+".throttles" { // beside the socket, whose directory is made
		add("journal_file", filepath.Dir(journal), false)
	}
	add("decisions.dir", cfg.Decisions.Dir, true)
	add("recording.dir", cfg.Recording.Dir, true)
	return all
}

func directoryAbsent(h *Host) (found []string) {
	for _, p := range h.places() {
		_, err := os.Stat(p.dir)
		if errors.Is(err, fs.ErrNotExist) && p.made {
			_, err = os.Stat(filepath.Dir(p.dir))
		}
		if err != nil {
			found = append(found, fmt.Sprintf("%s: %v", p.setting, err))
		}
	}
	return found
}

func directoryReadOnly(h *Host) (found []string) {
	for _, p := range h.places() {
		if err := unix.Access(p.dir, unix.W_OK); errors.Is(err, unix.EROFS) {
			found = append(found, fmt.Sprintf("%s: %s: %v", p.setting, p.dir, err))
		}
	}
	return found
}

func othersCanWrite(h *Host) (found []string) {
	for _, p := range h.places() {
		if err := config.Trusted(p.dir); errors.Is(err, config.ErrUntrusted) {
			found = append(found, fmt.Sprintf("%s: %v", p.setting, err))
		}
	}
	return found
}

func diskSmall(h *Host) (found []string) {
	for _, p := range h.places() {
		limit := map[string]int{"decisions.dir": h.Settings.Decisions.MaxMiB, "recording.dir": h.Settings.Recording.MaxMiB}[p.setting]
		free, err := h.Free(p.dir)
		if limit == 0 || err != nil {
			continue
		}
		if used, most := sizeOf(p.dir), uint64(limit)<<20; used < most && free < most-used {
			found = append(found, fmt.Sprintf("%s: %d MiB are left on the disk of %s, whose files may grow by %d MiB", p.setting, free>>20, p.dir, (most-used)>>20))
		}
	}
	return found
}

// sizeOf is what the files in dir take, in bytes.
func sizeOf(dir string) (sum uint64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += uint64(info.Size()) //nolint:gosec // not negative
		}
	}
	return sum
}

func nothingLearnedKept(h *Host) []string {
	return one(h.Settings.StateFile == "" && h.Settings.Mode != config.ModeNoop, "state_file is not set")
}

func noDecisionLog(h *Host) []string {
	return one(h.Settings.Decisions.Dir == "", "decisions.dir is not set")
}

// contains reports whether a comma-separated list of the agent has a word.
func contains(list []string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
}
