package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Reader reads a recording. It is for one goroutine.
type Reader struct {
	files []rotate.File
	// Progress, when set, is told after each frame how many bytes of how many
	// have been read.
	Progress func(read, total int64)
}

// Open opens a recording: a directory that was recorded into, or one file of
// it. Whether the files are sound shows when they are read.
func Open(path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{files: []rotate.File{{Path: path, Bytes: info.Size()}}}
	if info.IsDir() {
		if r.files, err = rotate.List(path, Extension); err != nil {
			return nil, err
		}
		if len(r.files) == 0 {
			return nil, fmt.Errorf("%w: there is no file *%s in %s", ErrNotRecording, Extension, path)
		}
	}
	if err := r.checkStart(); err != nil {
		return nil, err
	}
	return r, nil
}

// checkStart looks at the start of the first file, so that what is no recording
// is known at once. An empty file is one, as a crash leaves it.
func (r *Reader) checkStart() error {
	path := r.files[0].Path
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	if string(head[:n]) != magic[:n] {
		return fmt.Errorf("%w: %s begins with %q", ErrNotRecording, path, head[:n])
	}
	return nil
}

// Files are the paths that are read, in order.
func (r *Reader) Files() []string {
	paths := make([]string, len(r.files))
	for i := range r.files {
		paths[i] = r.files[i].Path
	}
	return paths
}

// All yields the snapshots of Ticks.
func (r *Reader) All() iter.Seq2[*snapshot.Snapshot, error] {
	return func(yield func(*snapshot.Snapshot, error) bool) {
		for t, err := range r.Ticks() {
			if !yield(t.Snapshot, err) {
				return
			}
		}
	}
}

// Ticks yields the ticks in the order they were recorded. A snapshot is valid
// until the one after the next, as one from the monitor is.
//
// What is wrong with a file yields a Tick without a snapshot, and an error that
// names the file and the offset and wraps ErrCut, ErrCorrupt or that of the
// disk; whoever goes on is given what can be read after it. ErrCut is what a
// daemon leaves that was killed or is still recording.
func (r *Reader) Ticks() iter.Seq2[Tick, error] {
	return func(yield func(Tick, error) bool) {
		f, err := newFrames()
		if err != nil {
			yield(Tick{}, err)
			return
		}
		defer f.unzip.Close()
		var total int64
		for i := range r.files {
			total += r.files[i].Bytes
		}
		var before int64 // the size of the files that were read
		if r.Progress != nil {
			f.progress = func(offset int64) { r.Progress(before+offset, total) }
		}
		for i := range r.files {
			if !f.readFile(r.files[i].Path, yield) {
				return
			}
			before += r.files[i].Bytes
		}
	}
}

// frames reads files, frame by frame.
type frames struct {
	into     room
	unzip    *zstd.Decoder
	in       *bufio.Reader
	packed   bytes.Buffer
	raw      []byte
	progress func(offset int64)
	// offset is that of the next frame; lost: nobody knows where that is.
	offset int64
	lost   bool
}

func newFrames() (*frames, error) {
	unzip, err := newUnzip()
	return &frames{unzip: unzip, in: bufio.NewReaderSize(nil, 64<<10), progress: func(int64) {}}, err
}

func (f *frames) readFile(path string, yield func(Tick, error) bool) (more bool) {
	file, err := os.Open(path)
	if err != nil {
		return yield(Tick{}, err)
	}
	defer func() { _ = file.Close() }() // only read from
	return f.read(file, path, yield)
}

// read yields the ticks of one file. A damaged frame is left out when its size
// says where the next one is.
func (f *frames) read(file io.Reader, path string, yield func(Tick, error) bool) (more bool) {
	f.in.Reset(file)
	f.offset, f.lost = 0, false
	for !f.lost {
		at := f.offset
		raw, err := f.next()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err == nil {
			more, err = unframe(raw, &f.into, func(t Tick) bool { return yield(t, nil) })
			if err != nil {
				err = fmt.Errorf("%w: %w", ErrCorrupt, err)
			} else if !more {
				return false
			}
		}
		if err != nil && !yield(Tick{}, fmt.Errorf("%s: %w in the frame at byte %d", path, err, at)) {
			return false
		}
		f.progress(f.offset)
	}
	return true
}

// next is the next frame, unpacked; io.EOF after the last.
func (f *frames) next() ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(f.in, header[:]); err != nil {
		f.lost = true
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrCut
		}
		return nil, err
	}
	size, err := storedSize(header[:])
	if err != nil {
		f.lost = true
		return nil, err
	}
	// Grown with what is there, not with what the header claims.
	f.packed.Reset()
	if _, err := io.CopyN(&f.packed, f.in, int64(size)); err != nil {
		f.lost = true
		if errors.Is(err, io.EOF) {
			err = ErrCut
		}
		return nil, err
	}
	f.offset += int64(headerBytes + size)
	if err := checkSum(header[:], f.packed.Bytes()); err != nil {
		return nil, err
	}
	if f.raw, err = f.unzip.DecodeAll(f.packed.Bytes(), f.raw[:0]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return f.raw, nil
}
