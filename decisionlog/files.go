package decisionlog

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names of files are <number>-<UTC time of the first line> and one of these.
const (
	plain  = ".jsonl"
	packed = ".jsonl.zst"
	// half is a file that is being compressed.
	half = ".tmp"
)

// segment is one file. Its number orders it, also when the clock was set back;
// the time is for people.
type segment struct {
	path   string
	number uint64
	bytes  int64
	packed bool
}

func segmentName(number uint64, at time.Time) string {
	return fmt.Sprintf("%08d-%s%s", number, at.UTC().Format("20060102T150405Z"), plain)
}

// segmentsIn lists the files of the log in dir, oldest first. Where a file is
// there in both forms, a daemon was killed while it compressed it or just
// after; the compressed one is whole, since it was given its name last.
func segmentsIn(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, e := range entries {
		digits, _, ok := strings.Cut(e.Name(), "-")
		number, err := strconv.ParseUint(digits, 10, 64)
		isPacked := strings.HasSuffix(e.Name(), packed)
		if !ok || err != nil || !e.Type().IsRegular() || !isPacked && !strings.HasSuffix(e.Name(), plain) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, segment{path: filepath.Join(dir, e.Name()), number: number, bytes: info.Size(), packed: isPacked})
	}
	slices.SortFunc(list, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(b.path, a.path)) // .zst before the same without
	})
	return slices.CompactFunc(list, func(a, b segment) bool { return a.number == b.number }), nil
}

// leftovers are files of the log that nobody reads: half of a compressed file,
// and a plain one beside its compressed form.
func leftovers(dir string, list []segment) ([]string, error) {
	halves, err := filepath.Glob(filepath.Join(dir, "*"+packed+half))
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if twin := strings.TrimSuffix(s.path, packed) + plain; s.packed {
			if _, err := os.Lstat(twin); err == nil {
				halves = append(halves, twin)
			}
		}
	}
	return halves, nil
}

// lockDir makes this the only process that logs into dir, until the file is
// closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// syncDir makes the names in dir as lasting as the files.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
