package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// record records the history into dir, without dropping a tick.
func record(t testing.TB, dir string, opts Options, history []*snapshot.Snapshot) {
	t.Helper()
	opts.Queue = max(opts.Queue, len(history))
	w, err := Create(dir, opts, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range history {
		if err := w.Record(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.Ticks != uint64(len(history)) || st.Behind+st.Lost+st.Refused+st.Errors != 0 {
		t.Fatalf("stats %+v after %d ticks", st, len(history))
	}
}

// check reads dir and compares it with the history.
func check(t testing.TB, path string, history []*snapshot.Snapshot) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	var last *snapshot.Snapshot
	for s, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		if i == len(history) {
			t.Fatalf("more than the %d ticks recorded", i)
		}
		diff(t, s, history[i])
		if last != nil && len(last.Containers) != len(history[i-1].Containers) {
			t.Fatal("a snapshot did not last until the one after the next")
		}
		last = s
		i++
	}
	if i != len(history) {
		t.Fatalf("%d ticks of %d", i, len(history))
	}
}

func TestWhatIsReadEqualsWhatWasRecorded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		history := drawHistory(rt, rapid.IntRange(1, 12).Draw(rt, "ticks"))
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		// A file of 1 byte: each block is the last of its file.
		opts := Options{MaxFileBytes: rapid.SampledFrom([]int64{1, DefaultMaxFileBytes}).Draw(rt, "fileBytes")}
		record(t, dir, opts, history)
		check(t, dir, history)
	})
}

func TestReadingDoesNotChangeTheTickBefore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		history := drawHistory(rt, 6)
		i := 0
		var last *snapshot.Snapshot
		for s, err := range Decode(bytes.NewReader(encode(t, history))) {
			if err != nil {
				t.Fatal(err)
			}
			if last != nil {
				diff(t, last, history[i-1])
			}
			last = s
			i++
		}
	})
}

// encode is a file of the history, one block for each tick.
func encode(t testing.TB, history []*snapshot.Snapshot) []byte {
	t.Helper()
	w := &Writer{}
	w.state.reset(false)
	d := &disk{w: w}
	if err := d.makeEncoder(); err != nil {
		t.Fatal(err)
	}
	file := fileHeader()
	for _, s := range history {
		tick, err := w.encode(nil, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		packed := d.zip.EncodeAll(tick, nil)
		file = appendFrameHeader(file, kindTicks, uint32(len(tick)), packed)
		file = append(file, packed...)
	}
	return appendFrameHeader(file, kindEnd, 0, nil)
}

// small is a short history of a node that looks real.
func small(containers, ticks int) (history []*snapshot.Snapshot) {
	n := newNode(containers)
	for range ticks {
		history = append(history, clone(n.tick()))
	}
	return history
}

func TestAFileCutAnywhereYieldsItsWholeBlocks(t *testing.T) {
	history := small(3, 5)
	file := encode(t, history)
	// The ends of the blocks, found by walking the frames.
	ends := []int{}
	for at := fileHeaderBytes; at < len(file); {
		at += frameHeaderBytes + int(binary.LittleEndian.Uint32(file[at+4:]))
		ends = append(ends, at)
	}
	for n := range file {
		whole := 0
		for _, end := range ends {
			if end <= n {
				whole++
			}
		}
		i := 0
		var last error
		for s, err := range Decode(bytes.NewReader(file[:n])) {
			if err != nil {
				last = err
				continue
			}
			diff(t, s, history[i])
			i++
		}
		if i != whole || !errors.Is(last, ErrCut) {
			t.Fatalf("cut at byte %d of %d: %d ticks and %v; want %d and ErrCut", n, len(file), i, last, whole)
		}
	}
}

func TestADamagedFileYieldsNothingThatWasNotRecorded(t *testing.T) {
	history := small(2, 4)
	file := encode(t, history)
	for bit := range 8 * len(file) {
		damaged := bytes.Clone(file)
		damaged[bit/8] ^= 1 << (bit % 8)
		i := 0
		var last error
		for s, err := range Decode(bytes.NewReader(damaged)) {
			if err != nil {
				last = err
				continue
			}
			diff(t, s, history[i])
			i++
		}
		if last == nil {
			t.Fatalf("bit %d of byte %d flipped, and nothing was noticed", bit%8, bit/8)
		}
		if !errors.Is(last, ErrCorrupt) && !errors.Is(last, ErrCut) && !errors.Is(last, ErrNotRecording) && !errors.Is(last, ErrVersion) {
			t.Fatalf("bit %d of byte %d flipped: %v is of no known class", bit%8, bit/8, last)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := fileHeader()
	newer = binary.LittleEndian.AppendUint32(newer[:8], Version+1)
	newer = binary.LittleEndian.AppendUint32(newer, frameSum(newer, nil))
	for _, tc := range []struct {
		name, path string
		want       error
	}{
		{"nothing there", filepath.Join(dir, "none"), os.ErrNotExist},
		{"a directory without files", filepath.Dir(write("empty/readme.txt", nil)), ErrNotRecording},
		{"another file", write("a.csv", []byte("node,container\n")), ErrNotRecording},
		{"a newer version", write("b"+Extension, newer), ErrVersion},
		{"a directory of a newer version", filepath.Dir(write("newer/00000001-x"+Extension, newer)), ErrVersion},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Open(tc.path); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
		})
	}
	r, err := Open(write("c"+Extension, nil))
	if err != nil {
		t.Fatalf("an empty file, as a crash leaves it: %v", err)
	}
	for s, err := range r.All() {
		if s != nil || !errors.Is(err, ErrCut) {
			t.Errorf("%v, %v; want ErrCut", s, err)
		}
	}
}

// FuzzDecode reads anything: it must end, without a panic and in bounded
// memory, and what is wrong must be of a known class.
func FuzzDecode(f *testing.F) {
	file := encode(f, small(2, 3))
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add(fileHeader())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for s, err := range Decode(bytes.NewReader(data)) {
			if err == nil {
				if s == nil || len(s.Containers) > maxEntries {
					t.Fatal("a snapshot that cannot be")
				}
				continue
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrCut) && !errors.Is(err, ErrNotRecording) && !errors.Is(err, ErrVersion) {
				t.Fatalf("%v is of no known class", err)
			}
		}
	})
}

// FuzzTick reads anything as ticks, behind the checksums that keep FuzzDecode
// out. What can be read can be written and read again.
func FuzzTick(f *testing.F) {
	w := &Writer{}
	w.state.reset(false)
	for _, s := range small(2, 2) {
		tick, err := w.encode(nil, s, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tick[tickHeaderBytes:])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in state
		in.reset(true)
		var s snapshot.Snapshot
		var inputs, again Inputs
		c := coder{reading: true, version: Version, buf: data}
		in.tick(&c, &s, &inputs)
		if c.err != nil {
			return
		}
		w := &Writer{}
		w.state.reset(false)
		tick, err := w.encode(nil, &s, &inputs)
		if err != nil {
			return // a time beyond what can be written
		}
		var back snapshot.Snapshot
		in.reset(true)
		c = coder{reading: true, version: Version, buf: tick[tickHeaderBytes:]}
		in.tick(&c, &back, &again)
		if c.err != nil {
			t.Fatal(c.err)
		}
		inputs.Known = true // writing says so
		if d := cmp.Diff(inputs, again); d != "" {
			t.Fatal(d)
		}
		diff(t, &back, &s)
	})
}

func TestFloatsAreRecordedByTheirBits(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(-1), math.SmallestNonzeroFloat64, 0.1} {
		c := coder{}
		c.float(&v, 3.5)
		var got float64
		r := coder{reading: true, buf: c.buf}
		r.float(&got, 3.5)
		if math.Float64bits(got) != math.Float64bits(v) || r.err != nil {
			t.Errorf("%v comes back as %v, %v", v, got, r.err)
		}
	}
}

// The sizes that docs/reference/recording.md and Options promise, before compression.
func TestATickOfARealNodeIsSmallAndAllocatesNothing(t *testing.T) {
	const containers = 100
	n := newNode(containers)
	w := &Writer{}
	w.state.reset(false)
	buf := make([]byte, 0, 1<<20)
	for range 30 { // readings that come every tenth tick are there
		if _, err := w.encode(buf, n.tick(), nil); err != nil {
			t.Fatal(err)
		}
	}
	history := make([]*snapshot.Snapshot, 14) // of one report
	total := 0
	for i := range history {
		history[i] = clone(n.tick())
		tick, err := w.encode(buf, history[i], nil)
		if err != nil {
			t.Fatal(err)
		}
		total += len(tick)
	}
	if perContainer := float64(total) / float64(len(history)) / containers; perContainer > 12 {
		t.Errorf("%.1f bytes per container and tick, want at most 12", perContainer)
	}
	i := 0
	if allocs := testing.AllocsPerRun(100, func() {
		if _, err := w.encode(buf, history[i%len(history)], nil); err != nil {
			t.Fatal(err)
		}
		i++
	}); allocs > 0 {
		t.Errorf("%v allocations per tick", allocs)
	}
}
