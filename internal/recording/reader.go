package recording

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Reader reads a recording. It is for one goroutine.
type Reader struct{ segments []rotate.File }

// Open opens a recording: a directory that was recorded into, or one file of
// it. Whether the files are sound shows when they are read.
func Open(path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return checked([]rotate.File{{Path: path, Bytes: info.Size()}})
	}
	list, err := rotate.List(path, Extension)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: there is no file *%s in %s", ErrNotRecording, Extension, path)
	}
	return checked(list)
}

// checked looks at the start of the first file, so that what cannot be read at
// all is known at once.
func checked(list []rotate.File) (*Reader, error) {
	if err := checkStart(list[0].Path); err != nil {
		return nil, err
	}
	return &Reader{segments: list}, nil
}

func checkStart(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	head := make([]byte, fileHeaderBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	if _, err := checkFileHeader(head[:n]); err != nil && !errors.Is(err, ErrCut) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Files are the paths that are read, in order.
func (r *Reader) Files() []string {
	paths := make([]string, len(r.segments))
	for i := range r.segments {
		paths[i] = r.segments[i].Path
	}
	return paths
}

// All yields the snapshots in the order they were recorded. A snapshot is valid
// until the one after the next, as one from the monitor is.
//
// A file that does not end well yields a nil snapshot and an error that wraps
// ErrCut, ErrCorrupt, ErrVersion or that of the disk; whoever goes on is given
// the next file. ErrCut is what a daemon leaves that was killed or is still
// recording.
func (r *Reader) All() iter.Seq2[*snapshot.Snapshot, error] {
	return func(yield func(*snapshot.Snapshot, error) bool) {
		for t, err := range r.Ticks() {
			if !yield(t.Snapshot, err) {
				return
			}
		}
	}
}

// Ticks yields the same with what was decided on besides.
func (r *Reader) Ticks() iter.Seq2[Tick, error] {
	return func(yield func(Tick, error) bool) {
		for i := range r.segments {
			if !r.file(r.segments[i].Path, yield) {
				return
			}
		}
	}
}

func (r *Reader) file(path string, yield func(Tick, error) bool) bool {
	f, err := os.Open(path)
	if err != nil {
		return yield(Tick{}, err)
	}
	defer func() { _ = f.Close() }() // only read from
	for s, err := range decodeTicks(f) {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		if !yield(s, err) {
			return false
		}
	}
	return true
}

// Decode yields the snapshots of one file, as Reader.All does.
func Decode(file io.Reader) iter.Seq2[*snapshot.Snapshot, error] {
	return func(yield func(*snapshot.Snapshot, error) bool) {
		for t, err := range decodeTicks(file) {
			if !yield(t.Snapshot, err) {
				return
			}
		}
	}
}

func decodeTicks(file io.Reader) iter.Seq2[Tick, error] {
	return func(yield func(Tick, error) bool) {
		d, err := newDecoder(file)
		if err != nil {
			yield(Tick{}, err)
			return
		}
		defer d.zip.Close()
		for {
			s, err := d.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Tick{}, fmt.Errorf("%w after %d ticks", err, d.ticks))
				return
			}
			d.ticks++
			if !yield(s, nil) {
				return
			}
		}
	}
}

// decoder reads one file.
type decoder struct {
	in     *bufio.Reader
	zip    *zstd.Decoder
	packed bytes.Buffer
	block  []byte
	left   []byte // of block
	// version is that of the file.
	version uint32
	state   state
	turns   [2]snapshot.Snapshot
	ticks   uint64
}

func newDecoder(file io.Reader) (*decoder, error) {
	d := &decoder{in: bufio.NewReaderSize(file, 64<<10)}
	head := make([]byte, fileHeaderBytes)
	n, err := io.ReadFull(d.in, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if d.version, err = checkFileHeader(head[:n]); err != nil {
		return nil, err
	}
	d.zip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	d.state.reset(true)
	return d, nil
}

// next is the next tick; io.EOF after the end mark.
func (d *decoder) next() (Tick, error) {
	for len(d.left) == 0 {
		if err := d.frame(); err != nil {
			return Tick{}, err
		}
	}
	if len(d.left) < tickHeaderBytes {
		return Tick{}, fmt.Errorf("%w: %d bytes are no tick", ErrCorrupt, len(d.left))
	}
	size := binary.LittleEndian.Uint32(d.left)
	d.left = d.left[tickHeaderBytes:]
	if uint64(size) > uint64(len(d.left)) {
		return Tick{}, fmt.Errorf("%w: a tick of %d bytes in a block with %d left", ErrCorrupt, size, len(d.left))
	}
	c := coder{reading: true, version: d.version, buf: d.left[:size]}
	t := Tick{Snapshot: &d.turns[d.ticks%2]}
	d.state.tick(&c, t.Snapshot, &t.Inputs)
	if c.err == nil && len(c.buf) > 0 {
		c.err = fmt.Errorf("%d bytes too many", len(c.buf))
	}
	if c.err != nil {
		return Tick{}, fmt.Errorf("%w: a tick: %w", ErrCorrupt, c.err)
	}
	d.left = d.left[size:]
	return t, nil
}

// frame reads the next frame into left.
func (d *decoder) frame() error {
	var head [frameHeaderBytes]byte
	if _, err := io.ReadFull(d.in, head[:]); err != nil {
		return cut(err)
	}
	h, err := parseFrameHeader(head[:])
	if err != nil {
		return err
	}
	// Grown with what is there, not with what the header claims.
	d.packed.Reset()
	if _, err := io.CopyN(&d.packed, d.in, int64(h.stored)); err != nil {
		return cut(err)
	}
	if frameSum(head[:frameHeaderBytes-4], d.packed.Bytes()) != h.sum {
		return fmt.Errorf("%w: checksum of a frame", ErrCorrupt)
	}
	if h.kind == kindEnd {
		if _, err := d.in.Peek(1); err == nil {
			return fmt.Errorf("%w: something follows the end mark", ErrCorrupt)
		}
		return io.EOF
	}
	// Never more than was announced: the capacity is the limit.
	d.block, err = d.zip.DecodeAll(d.packed.Bytes(), slices.Grow(d.block[:0], int(h.raw))[:0:h.raw])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(d.block) != int(h.raw) || len(d.block) == 0 {
		return fmt.Errorf("%w: a frame of %d bytes where %d were announced", ErrCorrupt, len(d.block), h.raw)
	}
	d.left = d.block
	return nil
}

// cut turns the end of the input into ErrCut.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return err
}
