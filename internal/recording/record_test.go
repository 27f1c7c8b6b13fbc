package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func tickOf(s *snapshot.Snapshot) *Tick { return &Tick{Snapshot: s, Wall: s.At} }

// record records the history into dir, without dropping a tick.
func record(t testing.TB, dir string, opts Options, history []*snapshot.Snapshot) {
	t.Helper()
	opts.Queue = max(opts.Queue, len(history))
	w, err := Create(dir, opts, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range history {
		if err := w.Record(tickOf(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.Written != uint64(len(history)) || st.Behind+st.Lost+st.Refused+st.Errors != 0 {
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
		for s, err := range decode(encode(t, history, rapid.IntRange(1, 3).Draw(rt, "perFrame"))) {
			if err != nil {
				t.Fatal(err)
			}
			if last != nil {
				diff(t, last, history[i-1])
			}
			last = s
			i++
		}
		if i != len(history) {
			t.Fatalf("%d ticks of %d", i, len(history))
		}
	})
}

// encode is a file of the history, so many ticks to a frame at most.
func encode(t testing.TB, history []*snapshot.Snapshot, perFrame int) (file []byte) {
	t.Helper()
	zip, err := newZip()
	if err != nil {
		t.Fatal(err)
	}
	var f framer
	write := func(over frame) {
		if over.ticks > 0 {
			file = pack(file, zip, over.raw)
		}
	}
	for _, s := range history {
		over, err := f.add(tickOf(s))
		if err != nil {
			t.Fatal(err)
		}
		write(over)
		if f.ticks == perFrame {
			write(f.take())
		}
	}
	write(f.take())
	return file
}

// decoder is used again and again, since it takes long to make.
var decoder = sync.OnceValue(func() *frames {
	f, err := newFrames()
	if err != nil {
		panic(err)
	}
	return f
})

// decode yields the snapshots of a file.
func decode(file []byte) iter.Seq2[*snapshot.Snapshot, error] {
	return func(yield func(*snapshot.Snapshot, error) bool) {
		decoder().read(bytes.NewReader(file), "file", func(t Tick, err error) bool { return yield(t.Snapshot, err) })
	}
}

// small is a short history of a node that looks real.
func small(containers, ticks int) (history []*snapshot.Snapshot) {
	n := newNode(containers)
	for range ticks {
		history = append(history, clone(n.tick()))
	}
	return history
}

func TestAFileCutAnywhereYieldsItsWholeFrames(t *testing.T) {
	history := small(3, 5)
	file := encode(t, history, 1)
	// The ends of the frames, found by walking them.
	ends := []int{}
	for at := 0; at < len(file); {
		at += headerBytes + int(binary.LittleEndian.Uint32(file[at+len(magic):]))
		ends = append(ends, at)
	}
	for n := range file {
		whole := 0
		for _, end := range ends {
			if end <= n {
				whole++
			}
		}
		begins := 0
		if whole > 0 {
			begins = ends[whole-1]
		}
		i := 0
		var last error
		for s, err := range decode(file[:n]) {
			if err != nil {
				last = err
				continue
			}
			diff(t, s, history[i])
			i++
		}
		if i != whole {
			t.Fatalf("cut at byte %d of %d: %d ticks, want %d", n, len(file), i, whole)
		}
		if n == begins { // after a frame, as a daemon leaves it that was killed between two
			if last != nil {
				t.Fatalf("cut after a frame: %v", last)
			}
			continue
		}
		if want := fmt.Sprintf("file: the file is cut off in the frame at byte %d", begins); !errors.Is(last, ErrCut) || last.Error() != want {
			t.Fatalf("cut at byte %d of %d: %v; want %s", n, len(file), last, want)
		}
	}
}

func TestADamagedFileYieldsNothingThatWasNotRecorded(t *testing.T) {
	history := small(2, 4)
	file := encode(t, history, 1)
	for bit := range 8 * len(file) {
		damaged := bytes.Clone(file)
		damaged[bit/8] ^= 1 << (bit % 8)
		read := 0
		var first error
		for s, err := range decode(damaged) {
			if err != nil {
				if first == nil {
					first = err
				}
				continue
			}
			diff(t, s, history[s.Seq-1])
			read++
		}
		if first == nil || read == len(history) {
			t.Fatalf("bit %d of byte %d flipped, and nothing was noticed", bit%8, bit/8)
		}
		if !errors.Is(first, ErrCorrupt) && !errors.Is(first, ErrCut) {
			t.Fatalf("bit %d of byte %d flipped: %v is of no known class", bit%8, bit/8, first)
		}
	}
}

// A damaged frame is named, and those after it are read.
func TestReadingGoesOnAfterADamagedFrame(t *testing.T) {
	history := small(2, 4)
	file := encode(t, history, 1)
	second := headerBytes + int(binary.LittleEndian.Uint32(file[len(magic):]))
	file[second+headerBytes] ^= 1
	var got []uint64
	var problems []string
	for s, err := range decode(file) {
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		got = append(got, s.Seq)
	}
	want := fmt.Sprintf("file: the file is damaged: checksum of a frame in the frame at byte %d", second)
	if !slices.Equal(got, []uint64{1, 3, 4}) || !slices.Equal(problems, []string{want}) {
		t.Errorf("ticks %d, %q; want 1, 3, 4 and %q", got, problems, want)
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
	newer := []byte("\x89ER\x02")
	for _, tc := range []struct {
		name, path string
		want       error
	}{
		{"nothing there", filepath.Join(dir, "none"), os.ErrNotExist},
		{"a directory without files", filepath.Dir(write("empty/readme.txt", nil)), ErrNotRecording},
		{"another file", write("a.csv", []byte("node,container\n")), ErrNotRecording},
		{"another version", write("b"+Extension, newer), ErrNotRecording},
		{"a directory of another version", filepath.Dir(write("newer/00000001-x"+Extension, newer)), ErrNotRecording},
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
		t.Errorf("%v, %v; want nothing", s, err)
	}
}

// FuzzDecode reads anything: it must end, without a panic and in bounded
// memory, and what is wrong must be of a known class.
func FuzzDecode(f *testing.F) {
	file := encode(f, small(2, 3), 2)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		for s, err := range decode(data) {
			if err == nil {
				if s == nil || len(s.Containers) > maxContainers {
					t.Fatal("a snapshot that cannot be")
				}
				continue
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrCut) {
				t.Fatalf("%v is of no known class", err)
			}
		}
	})
}

// FuzzFrame reads anything as ticks, behind the checksums that keep FuzzDecode
// out. What can be read can be written and read again.
func FuzzFrame(f *testing.F) {
	for _, s := range small(2, 2) {
		var w framer
		if _, err := w.add(tickOf(s)); err != nil {
			f.Fatal(err)
		}
		f.Add(w.raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into room
		_, _ = unframe(data, &into, func(in Tick) bool {
			var w framer
			if _, err := w.add(&in); err != nil {
				return true // a time beyond what can be written
			}
			var again room
			read := 0
			_, err := unframe(w.raw, &again, func(back Tick) bool {
				read++
				if d := cmp.Diff(in.Inputs, back.Inputs, equal); d != "" {
					t.Fatal(d)
				}
				diff(t, back.Snapshot, in.Snapshot)
				return true
			})
			if err != nil || read != 1 {
				t.Fatalf("%d ticks, %v", read, err)
			}
			return true
		})
	})
}

// A small frame may not take much memory.
func TestAFrameOfVeryManyMessagesIsRefused(t *testing.T) {
	for _, field := range []byte{2<<3 | 2, 3<<3 | 2} { // containers, ticks
		raw := bytes.Repeat([]byte{field, 0}, maxMessages+1)
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := unframe(raw, &room{}, func(Tick) bool { return true }); err == nil {
				t.Error("it was read")
			}
		})
		if allocated > 100 {
			t.Errorf("%v allocations", allocated)
		}
	}
}

func TestFloatsAreRecordedByTheirBits(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(-1), math.SmallestNonzeroFloat64, 0.1} {
		history := small(1, 2)
		history[1].Host.BusyCores.V = v
		for s, err := range decode(encode(t, history, 2)) {
			if err != nil || s.Seq == 2 && math.Float64bits(s.Host.BusyCores.V) != math.Float64bits(v) {
				t.Errorf("%v comes back as %v, %v", v, s.Host.BusyCores, err)
			}
		}
	}
}

// The sizes that docs/reference/recording.md promises.
func TestATickOfARealNodeIsSmall(t *testing.T) {
	const containers, ticks = 100, 60
	file := encode(t, small(containers, ticks), int(DefaultFlushEvery/time.Second))
	if size := float64(len(file)) / ticks / containers; size > 14 {
		t.Errorf("%.1f bytes per container and tick, want at most 14", size)
	}
}
