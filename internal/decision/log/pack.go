package log

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
)

// Extensions of the files.
const (
	plain  = ".jsonl"
	packed = ".jsonl.zst"
)

// filesIn lists the files of the log in dir, oldest first. Where one is there in
// both forms, a daemon was killed while it compressed it or just after; the
// compressed one is whole, since it was given its name last.
func filesIn(dir string) ([]rotate.File, error) {
	list, err := rotate.List(dir, packed, plain)
	return slices.CompactFunc(list, rotate.SameNumber), err
}

// pack compresses a file. It is there in one form or the other at any time.
func pack(f rotate.File) (_ rotate.File, err error) {
	if isPacked(f) {
		return f, nil
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return f, err
	}
	name := strings.TrimSuffix(f.Path, plain) + packed
	out, err := os.OpenFile(name+rotate.Half, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return f, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name + rotate.Half)
		}
	}()
	size, err := compress(out, text)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return f, err
	}
	if err := os.Rename(name+rotate.Half, name); err != nil {
		return f, err
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		return f, err
	}
	old := f.Path
	f.Path, f.Bytes = name, size
	return f, os.Remove(old)
}

// compress writes the index of text and text to out: one goroutine, and a window
// of some hundred lines. It returns the size.
func compress(out io.Writer, text []byte) (int64, error) {
	about, err := indexOf(bytes.Split(text, []byte("\n")))
	if err != nil {
		return 0, err
	}
	head, err := about.frame()
	if err != nil {
		return 0, err
	}
	sized := &counter{to: out}
	if _, err := sized.Write(head); err != nil {
		return 0, err
	}
	zip, err := zstd.NewWriter(sized, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		return 0, err
	}
	_, err = zip.Write(text)
	err = errors.Join(err, zip.Close())
	return sized.n, err
}

// counter counts what is written.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += int64(n)
	return n, err
}

// syncDir makes the names in dir as lasting as the files.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
