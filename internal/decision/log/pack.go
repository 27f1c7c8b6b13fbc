package log

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
)

// pack compresses a file. It is there in one form or the other at any time.
func pack(f rotate.File) (_ rotate.File, err error) {
	if isPacked(&f) {
		return f, nil
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return f, err
	}
	defer func() { _ = in.Close() }() // only read from
	name := strings.TrimSuffix(f.Path, plain) + packed
	out, err := os.OpenFile(name+half, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return f, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name + half)
		}
	}()
	size, err := compress(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return f, fmt.Errorf("compress: %w", err)
	}
	if err := os.Rename(name+half, name); err != nil {
		return f, err
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		return f, err
	}
	old := f.Path
	f.Path, f.Bytes = name, size
	return f, os.Remove(old)
}

// compress copies in to out: one goroutine, and a window of some hundred lines.
func compress(out, in *os.File) (int64, error) {
	zip, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(zip, in); err != nil {
		_ = zip.Close()
		return 0, err
	}
	if err := zip.Close(); err != nil {
		return 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
