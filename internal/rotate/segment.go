// Package rotate keeps what is written for ever in files of a bounded size:
// numbered files in one directory, of which the oldest are removed. What is in
// them is their owner's business.
package rotate

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

// ErrInUse says that another process writes into the directory.
var ErrInUse = errors.New("the directory is in use")

// File is one file. Its number orders it, also when the clock was set back; the
// time in its name is for people.
type File struct {
	Path   string
	Number uint64
	Bytes  int64
	// Last is when it was written last.
	Last time.Time
}

// Name is that of a file: <number>-<UTC time><extension>.
func Name(number uint64, at time.Time, extension string) string {
	return fmt.Sprintf("%08d-%s%s", number, at.UTC().Format("20060102T150405Z"), extension)
}

// List lists the files in dir with one of the extensions, by number, and where
// that is the same in the order of the extensions.
func List(dir string, extensions ...string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []File
	for _, e := range entries {
		digits, _, ok := strings.Cut(e.Name(), "-")
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || !e.Type().IsRegular() || extensionOf(e.Name(), extensions) < 0 {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, File{Path: filepath.Join(dir, e.Name()), Number: number, Bytes: info.Size(), Last: info.ModTime()})
	}
	slices.SortFunc(list, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number),
			cmp.Compare(extensionOf(a.Path, extensions), extensionOf(b.Path, extensions)), cmp.Compare(a.Path, b.Path))
	})
	return list, nil
}

func extensionOf(name string, extensions []string) int {
	return slices.IndexFunc(extensions, func(x string) bool { return strings.HasSuffix(name, x) })
}

// Next is the number of the next file.
func Next(list []File) uint64 {
	if n := len(list); n > 0 {
		return list[n-1].Number + 1
	}
	return 1
}

// Limits say how much is kept.
type Limits struct {
	// Bytes is what all files may have together.
	Bytes int64
	// Age is how long ago a file may have been written last; 0: any time.
	Age time.Duration
}

// Prune removes the oldest files until the others are within the limits, and
// returns those that are left. A file that is gone already counts as removed.
func Prune(list []File, l Limits, now time.Time) (left []File, removed int, err error) {
	var total int64
	for i := range list {
		total += list[i].Bytes
	}
	for len(list) > 0 {
		f := &list[0]
		if total <= l.Bytes && (l.Age == 0 || now.Sub(f.Last) <= l.Age) {
			break
		}
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return list, removed, err
		}
		total -= f.Bytes
		removed++
		list = list[1:]
	}
	return list, removed, nil
}

// Lock makes this the only process that writes into dir, until the file is
// closed. ErrInUse says that another one does.
func Lock(dir string) (*os.File, error) {
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

// probes are the names of the files by which Writable finds out.
const probes = ".probe-*"

// Writable makes sure that files can be made in dir. It removes what a process
// left that was killed while it did the same.
func Writable(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, probes))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	probe, err := os.CreateTemp(dir, probes)
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
