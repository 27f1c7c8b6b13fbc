package replay

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Export writes a recording as a trace to the file out, or to stdout when that
// is empty. The ticks are put together to steps (0: DefaultStep).
func Export(recording, out string, step time.Duration, progress Progress, stdout io.Writer) error {
	t, err := OpenTrace(recordingPrefix+recording, TraceOptions{Step: step, Progress: progress})
	if err != nil {
		return err
	}
	if out == "" {
		return t.Export(stdout)
	}
	return writeTrace(out, t.Export)
}

// writeTrace writes a trace whole or not at all, gzipped when its name ends in
// .gz.
func writeTrace(path string, write func(io.Writer) error) error {
	return replaceFile(path, func(w io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			return write(w)
		}
		z := gzip.NewWriter(w)
		if err := write(z); err != nil {
			return err
		}
		return z.Close()
	})
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // not there once it was renamed
	// A report is for everybody.
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
