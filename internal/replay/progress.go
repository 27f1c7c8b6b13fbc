package replay

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Progress is told how much of how much is over of what is being done.
type Progress func(doing string, read, total int64)

// progressEvery is how often a terminal is told.
const progressEvery = 200 * time.Millisecond

// TerminalProgress shows progress on f, and clears it at the end. It is nil
// where f is no terminal.
func TerminalProgress(f *os.File) Progress {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	var shown, began time.Time
	var what string
	return func(doing string, read, total int64) {
		switch {
		case read >= total:
			_, _ = fmt.Fprint(f, "\r\x1b[K") // nothing depends on it
		case time.Since(shown) >= progressEvery:
			shown = time.Now()
			if doing != what {
				what, began = doing, shown
			}
			_, _ = fmt.Fprintf(f, "\r\x1b[K%s", progressLine(doing, read, total, shown.Sub(began)))
		}
	}
}

// progressLine says how far something is, how fast, and what time is left.
func progressLine(doing string, done, total int64, elapsed time.Duration) string {
	line := fmt.Sprintf("%s: %d %%", doing, 100*done/total)
	if elapsed < time.Second || done <= 0 {
		return line
	}
	rate := float64(done) / elapsed.Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s, %.3g %% a second, %s left", line, 100*rate/float64(total), left)
}

// watched is a reader whose progress is told.
type watched struct {
	io.Reader
	tell        func(read, total int64)
	read, total int64
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.read += int64(n)
	w.tell(w.read, w.total)
	return n, err
}

// watch makes a reader of file whose progress is told.
func (o *TraceOptions) watch(doing string, file *os.File) (io.Reader, error) {
	if o.Progress == nil {
		return file, nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	tell := func(read, total int64) { o.Progress(doing+" "+file.Name(), read, total) }
	return &watched{Reader: file, tell: tell, total: info.Size()}, nil
}
