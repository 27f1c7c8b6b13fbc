package log

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tick is a record of tick n; agent makes it longer.
func tick(n int, agent string) *decision.Record {
	at := t0.Add(time.Duration(n) * time.Second)
	return &decision.Record{
		Version: decision.Version, Run: "run", Seq: uint64(n), At: at, PolicyHash: "p", Agent: agent, TreeWhy: snapshot.Present,
		Offer: estimator.Offer{Resources: []estimator.ResourceOffer{{Resource: "cpus"}}}, QoS: qos.Decision{Why: "calm"},
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func start(t testing.TB, dir string, opts Options, log *slog.Logger) *Writer {
	t.Helper()
	w, err := Create(dir, opts, log)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write hands records over as fast as the disk takes them.
func write(t *testing.T, w *Writer, records ...*decision.Record) {
	t.Helper()
	for _, r := range records {
		before := w.Stats()
		w.Observe(r, nil)
		await(t, "the line", func() bool {
			now := w.Stats()
			return now.Written+now.Lost > before.Written+before.Lost
		})
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after 20 s", what)
		}
	}
}

func closed(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// read are the numbers of the ticks, in order, and how many were passed over.
func read(t *testing.T, dir string) (seqs []uint64, skipped int) {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for text, l := range r.All() {
		seqs = append(seqs, l.Seq)
		again, err := l.Append(nil)
		if err != nil || !bytes.Equal(again, append(slices.Clone(text), '\n')) {
			t.Fatalf("%s is not %s: %v", again, text, err)
		}
	}
	skipped = r.Skipped()
	var back []uint64
	for _, l := range r.Backward(Query{}) {
		back = append(back, l.Seq)
	}
	slices.Reverse(back)
	if !slices.Equal(back, seqs) {
		t.Fatalf("backward %v, forward %v", back, seqs)
	}
	return seqs, skipped
}

func upTo(n int) (seqs []uint64) {
	for i := range n {
		seqs = append(seqs, uint64(i))
	}
	return seqs
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func used(t *testing.T, dir string) (total int64) {
	t.Helper()
	for _, name := range names(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			total += info.Size()
		}
	}
	return total
}

func TestLinesAreReadBackInOrderOverRotationsAndRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	opts := Options{MaxBytes: MinBytes, MaxFileBytes: 4 << 10}
	n := 0
	for range 3 {
		w := start(t, dir, opts, quiet())
		for range 40 {
			write(t, w, tick(n, strings.Repeat("a", 200)))
			n++
		}
		closed(t, w)
		if seqs, skipped := read(t, dir); !slices.Equal(seqs, upTo(n)) || skipped != 0 {
			t.Fatalf("read %v, %d passed over; want 0 to %d", seqs, skipped, n-1)
		}
	}
	var packs int
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, packed) {
			packs++
		}
	}
	if packs < 3 || names(t, dir)[0] != "00000001-20260301T120000Z.jsonl.zst" {
		t.Errorf("files %v", names(t, dir))
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Backward(Query{Texts: []string{`"seq":7,`}}) {
		if l.Seq != 7 {
			t.Errorf("tick %d matches", l.Seq)
		}
	}
}

func TestAllFilesStayWithinTheTotal(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, Options{MaxBytes: MinBytes, MaxFileBytes: 200 << 10}, quiet())
	// Text that cannot be compressed to less than half.
	noise := make([]byte, 20<<10)
	seed := uint64(1)
	for i := range 200 {
		for k := range noise {
			seed = seed*6364136223846793005 + 1442695040888963407
			noise[k] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[seed>>58]
		}
		write(t, w, tick(i, string(noise)))
		if total := used(t, dir); total > MinBytes {
			t.Fatalf("%d bytes after tick %d, %d are allowed: %v", total, i, MinBytes, names(t, dir))
		}
	}
	closed(t, w)
	seqs, _ := read(t, dir)
	if st := w.Stats(); st.Removed == 0 || seqs[len(seqs)-1] != 199 || seqs[0] == 0 {
		t.Errorf("%+v; ticks %d to %d are left, want the newest", st, seqs[0], seqs[len(seqs)-1])
	}
}

func TestWhatACrashLeavesIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, Options{}, quiet())
	write(t, w, tick(0, "a"), tick(1, "a"))
	closed(t, w)
	file := filepath.Join(dir, names(t, dir)[0])
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Power failed in the middle of a line, and zeros came to the disk instead.
	broken := append(slices.Clone(whole), "\x00\x00\n"...)
	broken = append(broken, whole[:len(whole)/4]...)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{file, broken},
		{filepath.Join(dir, "00000009-x"+packed+rotate.Half), []byte("half")},
		{filepath.Join(dir, "unrelated.jsonl"), []byte("not ours")},
	} {
		if err := os.WriteFile(f.name, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if seqs, skipped := read(t, dir); !slices.Equal(seqs, upTo(2)) || skipped != 2 {
		t.Errorf("read %v, %d passed over; want two and two", seqs, skipped)
	}
	w = start(t, dir, Options{}, quiet())
	write(t, w, tick(2, "a"))
	closed(t, w)
	if seqs, skipped := read(t, dir); !slices.Equal(seqs, upTo(3)) || skipped != 2 {
		t.Errorf("after a restart read %v, %d passed over; want three and two", seqs, skipped)
	}
	// It died between the new name of the compressed file and the end of the old.
	if err := os.WriteFile(file, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if seqs, _ := read(t, dir); !slices.Equal(seqs, upTo(3)) {
		t.Errorf("with both forms of a file read %v, want three", seqs)
	}
	closed(t, start(t, dir, Options{}, quiet()))
	if got := names(t, dir); slices.Contains(got, filepath.Base(file)) || slices.Contains(got, "00000009-x"+packed+rotate.Half) || !slices.Contains(got, "unrelated.jsonl") {
		t.Errorf("files after that %v", got)
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system cannot be mounted, which needs CAP_SYS_ADMIN:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var log bytes.Buffer
	w := start(t, dir, Options{RetryAfter: time.Microsecond}, slog.New(slog.NewTextHandler(&log, nil)))
	write(t, w, tick(0, strings.Repeat("x", 5000)))
	filler := filepath.Join(dir, "filler")
	_ = os.WriteFile(filler, make([]byte, 2<<20), 0o600) // as far as it goes
	for i := 1; i <= 20; i++ {
		write(t, w, tick(i, strings.Repeat("x", 5000)))
	}
	lost := w.Stats().Lost
	if lost == 0 || w.Stats().Err == nil {
		t.Fatalf("%+v on a full disk", w.Stats())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond) // longer than RetryAfter
	write(t, w, tick(21, "x"))
	closed(t, w)
	seqs, skipped := read(t, dir)
	if uint64(len(seqs)) != 22-lost || seqs[len(seqs)-1] != 21 || skipped != 0 {
		t.Errorf("read %v, %d passed over, %d lost", seqs, skipped, lost)
	}
	if got := strings.Count(log.String(), "writing failed"); got != 1 || !strings.Contains(log.String(), "writing works again") {
		t.Errorf("said %d times:\n%s", got, log.String())
	}
}

func TestCreateAndOpenRefuse(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, Options{}, quiet())
	if _, err := Create(dir, Options{}, quiet()); !errors.Is(err, rotate.ErrInUse) {
		t.Errorf("a second writer: %v, want rotate.ErrInUse", err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNoLog) {
		t.Errorf("an empty log: %v, want ErrNoLog", err)
	}
	closed(t, w)
	w.Observe(tick(1, "a"), nil) // a tick after the end is no panic
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, ErrNoLog) {
		t.Errorf("no directory: %v, want ErrNoLog", err)
	}
	for _, o := range []Options{{MaxBytes: 1}, {MaxBytes: MinBytes, MaxFileBytes: MinBytes}, {Queue: -1}} {
		if _, err := Create(t.TempDir(), o, quiet()); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: %v, want ErrOptions", o, err)
		}
	}
}

// A file whose index is broken is read as one without.
func TestAFileWithABrokenIndexIsRead(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, Options{MaxFileBytes: 1}, quiet())
	write(t, w, tick(0, "a"))
	closed(t, w)
	file := filepath.Join(dir, names(t, dir)[0])
	whole, err := os.ReadFile(file)
	if err != nil || !strings.HasSuffix(file, packed) {
		t.Fatal(file, err)
	}
	for name, at := range map[string]int{"magic": 0, "length": 5, "text": 12} {
		broken := slices.Clone(whole)
		broken[at] ^= 0x40
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := r.indexIn(file); err == nil {
			t.Errorf("%s: read %+v", name, x)
		}
		if !r.mayHold(r.files[0], &Query{About: "nobody", Kills: true}) {
			t.Errorf("%s: the file is passed over", name)
		}
	}
}
