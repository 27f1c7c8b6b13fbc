package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Classes of errors, for errors.Is.
var (
	// ErrNotRecording: there is no recording there.
	ErrNotRecording = errors.New("not a recording")
	// ErrCut: the file ends within a frame. Everything before was read.
	ErrCut = errors.New("the file is cut off")
	// ErrCorrupt: a frame is not what was written. It is left out.
	ErrCorrupt = errors.New("the file is damaged")
	// ErrTooLarge: a tick is beyond the limits of the format.
	ErrTooLarge = errors.New("the tick is too large to be recorded")
)

// Extension ends the name of each file of a recording.
const Extension = ".estrec"

// magic begins each frame: its first byte is no text, its last is the version of
// the format.
const magic = "\x89ER\x01"

// A frame is magic, the size of what follows the header, the checksum of that
// size and of what follows (CRC-32C), both little-endian; and a pb.Frame,
// compressed by zstd.
const headerBytes = len(magic) + 4 + 4

// maxStored is the size of a compressed frame; what cannot be compressed grows
// by less than 1/256 and some bytes.
const maxStored = maxFrame + maxFrame/256 + 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newZip makes what compresses frames: in one goroutine, with a window of a
// frame of some hundred containers.
func newZip() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
}

// newUnzip makes what is given back to it, never more than a frame.
func newUnzip() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxFrame))
}

// pack appends a frame as it stands in the file.
func pack(b []byte, zip *zstd.Encoder, raw []byte) []byte {
	at := len(b)
	b = append(b, magic...)
	b = append(b, make([]byte, headerBytes-len(magic))...)
	b = zip.EncodeAll(raw, b)
	header, payload := b[at:at+headerBytes], b[at+headerBytes:]
	binary.LittleEndian.PutUint32(header[len(magic):], uint32(len(payload))) //nolint:gosec // at most maxStored
	binary.LittleEndian.PutUint32(header[len(magic)+4:], checksum(header, payload))
	return b
}

func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:len(magic)+4], castagnoli), castagnoli, payload)
}

// storedSize is the size of what follows the header of a frame.
func storedSize(header []byte) (int, error) {
	if string(header[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: %q does not begin a frame", ErrCorrupt, header[:len(magic)])
	}
	size := binary.LittleEndian.Uint32(header[len(magic):])
	if size > maxStored {
		return 0, fmt.Errorf("%w: a frame of %d bytes", ErrCorrupt, size)
	}
	return int(size), nil
}

// checkSum compares the checksum of a frame.
func checkSum(header, payload []byte) error {
	if checksum(header, payload) != binary.LittleEndian.Uint32(header[len(magic)+4:]) {
		return fmt.Errorf("%w: checksum of a frame", ErrCorrupt)
	}
	return nil
}
