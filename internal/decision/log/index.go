package log

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/estimatord/estimatord/internal/decision"
)

// index says what a compressed file is about, so that a question need not
// unpack each of them. It is the first frame of the file, one that decoders skip
// (RFC 8878, section 3.1.2): 4 bytes of magic number, 4 of length, compressed
// JSON.
type index struct {
	// First and Last are the times of the first and the last record.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Names are the ids, executors and tasks of containers that were weighed,
	// Killed those of kills, in shadow mode as well. Both are sorted.
	Names  []string `json:"names,omitempty"`
	Killed []string `json:"killed,omitempty"`
}

const (
	indexMagic = 0x184D2A5E
	// maxIndex is the most that is read of an index.
	maxIndex = 64 << 20
)

// errIndex is what no index is.
var errIndex = errors.New("no index")

// marks are what lines have whose containers are in an index.
var weighedMark, killsMark = []byte(`"weighed":true`), []byte(`"kills":[`)

// indexOf makes the index of the lines of a file.
func indexOf(lines [][]byte) *index {
	x := &index{}
	for _, line := range lines {
		at, ok := timeOf(line)
		if !ok {
			continue
		}
		if x.First.IsZero() {
			x.First = at
		}
		x.Last = at
		if !bytes.Contains(line, weighedMark) && !bytes.Contains(line, killsMark) {
			continue
		}
		if r, err := decision.Parse(line); err == nil {
			x.add(r)
		}
	}
	for _, list := range []*[]string{&x.Names, &x.Killed} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return x
}

func (x *index) add(r *decision.Record) {
	for i := range r.Eligible {
		e := &r.Eligible[i]
		x.Names = append(append(x.Names, e.ID, e.ExecutorID), e.Tasks...)
	}
	for _, k := range r.AllKills() {
		x.Killed = append(x.Killed, k.ID, k.ExecutorID)
	}
}

// timeOf is the time of a line, which is near its beginning.
func timeOf(line []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(line[:min(len(line), 256)], []byte(`"at":"`))
	text, _, whole := bytes.Cut(rest, []byte(`"`))
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at, ok && whole && err == nil
}

// frame is x as the first frame of a file.
func (x *index) frame() ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	packed := zip.EncodeAll(text, nil)
	head := binary.LittleEndian.AppendUint32(nil, indexMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(packed))) //nolint:gosec // far below 4 GiB
	return append(head, packed...), zip.Close()
}

// readIndex reads the index of a compressed file.
func readIndex(path string) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[4:])
	if binary.LittleEndian.Uint32(head[:4]) != indexMagic || size > maxIndex {
		return nil, errIndex
	}
	zip, err := zstd.NewReader(io.LimitReader(f, int64(size)), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxIndex))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	x := &index{}
	if err := json.NewDecoder(io.LimitReader(zip, maxIndex)).Decode(x); err != nil {
		return nil, err
	}
	return x, nil
}
