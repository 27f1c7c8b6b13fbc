package log

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/estimatord/estimatord/internal/rotate"
)

// Extensions of the files.
const (
	plain  = ".jsonl"
	packed = ".jsonl.zst"
	// half is added to that of a file that is being compressed.
	half = ".tmp"
)

// segmentsIn lists the files of the log in dir, oldest first. Where a file is
// there in both forms, a daemon was killed while it compressed it or just
// after; the compressed one is whole, since it was given its name last.
func segmentsIn(dir string) ([]rotate.File, error) {
	list, err := rotate.List(dir, packed, plain)
	return slices.CompactFunc(list, func(a, b rotate.File) bool { return a.Number == b.Number }), err
}

func isPacked(f *rotate.File) bool { return strings.HasSuffix(f.Path, packed) }

// leftovers are files of the log that nobody reads: half of a compressed file,
// and a plain one beside its compressed form.
func leftovers(dir string, list []rotate.File) ([]string, error) {
	halves, err := filepath.Glob(filepath.Join(dir, "*"+packed+half))
	if err != nil {
		return nil, err
	}
	for i := range list {
		if !isPacked(&list[i]) {
			continue
		}
		twin := strings.TrimSuffix(list[i].Path, packed) + plain
		if _, err := os.Lstat(twin); err == nil {
			halves = append(halves, twin)
		}
	}
	return halves, nil
}

// syncDir makes the names in dir as lasting as the files.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
