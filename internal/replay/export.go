package replay

import (
	"bytes"
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
	err = write(tmp)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644) //nolint:gosec // a report is for everybody
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(b))
		return err
	}
}
