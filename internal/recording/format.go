package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Classes of errors, for errors.Is.
var (
	// ErrNotRecording: there is no recording there.
	ErrNotRecording = errors.New("not a recording")
	// ErrVersion: the file is of a format that this build does not know.
	ErrVersion = errors.New("recorded in another format")
	// ErrCut: the file ends without its end mark. Everything before was read.
	ErrCut = errors.New("the file is cut off")
	// ErrCorrupt: the file is not what was written. Everything before was read.
	ErrCorrupt = errors.New("the file is damaged")
	// ErrTooLarge: a tick is beyond the limits of the format.
	ErrTooLarge = errors.New("the tick is too large to be recorded")
	// ErrBehind: the disk is too slow, the tick was left out.
	ErrBehind = errors.New("the disk is behind, the tick was left out")
	// ErrPaused: writing failed a moment ago, the tick was left out.
	ErrPaused = errors.New("recording pauses after an error")
	// ErrInUse: another process records into the directory.
	ErrInUse = errors.New("another process records here")
	// ErrClosed: the recording was closed.
	ErrClosed = errors.New("the recording is closed")
)

// Version is the version of the format that is written. Those from oldest on are
// read; what they lack is absent then (snapshot.NotRead, and no look between
// the ticks).
const (
	Version = 3
	oldest  = 1
)

// Versions from which something is recorded.
const (
	// withContention: what the fast lane saw, quotas and waiting of containers, and
	// the memory that can be used.
	withContention = 2
	// withInputs: what a tick was decided on besides its snapshot, and times that
	// only differences of count.
	withInputs = 3
)

// Extension ends the name of each file of a recording.
const Extension = ".estrec"

// magic begins each file; its first byte is no text, its last shows a transfer
// that changed line ends.
const magic = "\x89ESTREC\n"

const (
	fileHeaderBytes  = 16
	frameHeaderBytes = 16
)

// Kinds of frames.
const (
	kindTicks uint32 = 1
	kindEnd   uint32 = 2
)

// Limits, which bound what reading any file can take.
const (
	// maxBlock is the size of a block before compression, and so of a tick.
	maxBlock = 16 << 20
	// maxStored is the size of a compressed block; what cannot be compressed
	// grows by less than 1/256 and some bytes.
	maxStored = maxBlock + maxBlock/256 + 1024
	// maxEntries is the number of containers or of executors in a tick.
	maxEntries = 1 << 16
	// maxStrings and maxStringBytes are the strings of a file.
	maxStrings     = 1 << 20
	maxStringBytes = 32 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func fileHeader() []byte {
	b := append(make([]byte, 0, fileHeaderBytes), magic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkFileHeader returns the version.
func checkFileHeader(b []byte) (uint32, error) {
	n := min(len(b), len(magic))
	if string(b[:n]) != magic[:n] {
		return 0, fmt.Errorf("%w: it begins with %q", ErrNotRecording, b[:n])
	}
	if len(b) < fileHeaderBytes {
		return 0, fmt.Errorf("%w within its header", ErrCut)
	}
	if got := crc32.Checksum(b[:12], castagnoli); got != binary.LittleEndian.Uint32(b[12:]) {
		return 0, fmt.Errorf("%w: checksum of the header", ErrCorrupt)
	}
	v := binary.LittleEndian.Uint32(b[8:])
	if v < oldest || v > Version {
		return 0, fmt.Errorf("%w: version %d, this build reads %d to %d", ErrVersion, v, oldest, Version)
	}
	return v, nil
}

// frameHeader is what stands before each frame.
type frameHeader struct {
	kind uint32
	// stored and raw are the size of what follows, and that before compression.
	stored, raw uint32
	// sum is over the three fields before and what follows.
	sum uint32
}

// appendFrameHeader appends the header of a frame that holds payload.
func appendFrameHeader(b []byte, kind, raw uint32, payload []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload))) //nolint:gosec // at most maxStored
	b = binary.LittleEndian.AppendUint32(b, raw)
	return binary.LittleEndian.AppendUint32(b, frameSum(b[at:], payload))
}

// frameSum is CRC-32C over the first three fields of a header and the payload.
func frameSum(fields, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(fields, castagnoli), castagnoli, payload)
}

func parseFrameHeader(b []byte) (frameHeader, error) {
	h := frameHeader{
		kind: binary.LittleEndian.Uint32(b), stored: binary.LittleEndian.Uint32(b[4:]),
		raw: binary.LittleEndian.Uint32(b[8:]), sum: binary.LittleEndian.Uint32(b[12:]),
	}
	switch {
	case h.kind != kindTicks && h.kind != kindEnd:
		return h, fmt.Errorf("%w: a frame of kind %d", ErrCorrupt, h.kind)
	case h.stored > maxStored || h.raw > maxBlock:
		return h, fmt.Errorf("%w: a frame of %d bytes, %d unpacked", ErrCorrupt, h.stored, h.raw)
	case h.kind == kindEnd && h.stored|h.raw != 0:
		return h, fmt.Errorf("%w: an end mark of %d bytes", ErrCorrupt, h.stored)
	}
	return h, nil
}
