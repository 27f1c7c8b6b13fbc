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
// (RFC 8878, section 3.1.2): 4 bytes of magic number, 4 of length, and compressed
// text of four lines, in the order of the fields. It is searched as text: parsing
// the names of a thousand containers takes longer than unpacking them.
type index struct {
	// first and last are the times of the first and the last record.
	first, last time.Time
	// names are the ids, executors and tasks of containers that were weighed,
	// killed those of kills, in shadow mode as well: JSON lists.
	names, killed []byte
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
func indexOf(lines [][]byte) (*index, error) {
	x := &index{}
	var names, killed []string
	for _, line := range lines {
		at, ok := timeOf(line)
		if !ok {
			continue
		}
		if x.first.IsZero() {
			x.first = at
		}
		x.last = at
		if !bytes.Contains(line, weighedMark) && !bytes.Contains(line, killsMark) {
			continue
		}
		r, err := decision.Parse(line)
		if err != nil {
			continue
		}
		for i := range r.Eligible {
			e := &r.Eligible[i]
			names = append(append(names, e.ID, e.ExecutorID), e.Tasks...)
		}
		for _, k := range r.AllKills() {
			killed = append(killed, k.ID, k.ExecutorID)
		}
	}
	var err, also error
	x.names, err = json.Marshal(distinct(names))
	x.killed, also = json.Marshal(distinct(killed))
	return x, errors.Join(err, also)
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// knows reports whether a name begins with what is asked for.
func (x *index) knows(q *Query) bool {
	list := x.names
	if q.Kills {
		list = x.killed
	}
	return bytes.Contains(list, []byte(`"`+Quoted(q.About)))
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
	text := x.first.AppendFormat(nil, time.RFC3339Nano)
	text = x.last.AppendFormat(append(text, '\n'), time.RFC3339Nano)
	text = append(append(text, '\n'), x.names...)
	text = append(append(text, '\n'), x.killed...)
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	packed := zip.EncodeAll(text, nil)
	head := binary.LittleEndian.AppendUint32(nil, indexMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(packed))) //nolint:gosec // far below 4 GiB
	return append(head, packed...), zip.Close()
}

// indexIn reads the index of a compressed file.
func (r *Reader) indexIn(path string) (*index, error) {
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
	packed, err := io.ReadAll(io.LimitReader(f, int64(size)))
	if err != nil {
		return nil, err
	}
	text, err := r.zip.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	parts := bytes.Split(text, []byte("\n"))
	if len(parts) != 4 {
		return nil, errIndex
	}
	x := &index{names: parts[2], killed: parts[3]}
	for i, at := range []*time.Time{&x.first, &x.last} {
		if err := at.UnmarshalText(parts[i]); err != nil {
			return nil, err
		}
	}
	return x, nil
}
