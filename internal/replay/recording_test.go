package replay

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/replay/simnode"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// recordedAt is the start of the recordings, at the start of a step.
var recordedAt = time.Unix(1_800_000_000, 0)

// recordTicks records the ticks into one file, as the daemon does.
func recordTicks(t *testing.T, dir string, ticks []*snapshot.Snapshot) {
	t.Helper()
	w, err := recording.Create(dir, recording.Options{Queue: len(ticks)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ticks {
		if err := w.Record(&recording.Tick{Snapshot: s, Wall: s.At}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if st := w.Stats(); st.Written != uint64(len(ticks)) {
		t.Fatalf("recorded %+v of %d ticks", st, len(ticks))
	}
}

// recordedTick is a node of 8 processors: web is always there and uses so many
// cores, job only when it runs.
func recordedTick(second int, web snapshot.Value, job bool) *snapshot.Snapshot {
	at := recordedAt.Add(time.Duration(second) * time.Second)
	n := simnode.Node{
		CPUs: 8, Regular: []*simnode.Container{{ID: "web", Since: recordedAt, Allocated: 4, Wants: web.V, Weight: 1}},
		Revocable: []*simnode.Container{{ID: "~task", Since: at, Allocated: 1, Wants: 1, Weight: 1}}, // which is none of the trace
	}
	if job {
		n.Regular = append(n.Regular, &simnode.Container{ID: "job", Since: recordedAt, Allocated: 1, Wants: 0.5, Weight: 1})
	}
	n.Share(time.Second)
	s := n.Snapshot(at)
	s.Seq = uint64(second) + 1
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Memory.UnreclaimableBytes = snapshot.CountOf(64 << 20)
		if c.ID == "web" {
			c.CPU.Cores = web
			c.Executor.Regular.Set("mem", 1024_000)
		}
	}
	return s
}

func stepsOf(t *testing.T, trace *Trace) (steps []Step, node Node) {
	t.Helper()
	err := trace.EachNode(func(n *Node) error {
		node = *n
		for {
			var s Step
			more, err := n.Next(&s)
			if err != nil || !more {
				return err
			}
			steps = append(steps, s)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps, node
}

func TestARecordingIsATrace(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "node-7")
	var ticks []*snapshot.Snapshot
	for i := range 15 { // the first step: 1 core, then 2.5; job leaves before its end
		web := 1.0
		if i >= 5 {
			web = 2.5
		}
		ticks = append(ticks, recordedTick(i, snapshot.ValueOf(web), i < 10))
	}
	for i := 15; i < 30; i++ { // web cannot be read
		ticks = append(ticks, recordedTick(i, snapshot.Value{Why: snapshot.Denied}, true))
	}
	back := recordedTick(3, snapshot.ValueOf(4), true) // the clock was set back for a moment
	ticks = append(ticks, back)
	// Nothing for a minute; then a tick about the time since, as far as its step.
	ticks = append(ticks, recordedTick(92, snapshot.ValueOf(3), false), recordedTick(93, snapshot.ValueOf(1), false))
	recordTicks(t, dir, ticks)

	// Exported it is a trace like any other.
	exported := filepath.Join(t.TempDir(), "node-7.csv.gz")
	if err := Export(dir, exported, 0, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, "recording:" + dir, exported} {
		trace, err := OpenTrace(path, TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		steps, node := stepsOf(t, trace)
		at := recordedAt.Unix()
		mem := func(at int64) Amounts { return Amounts{Used: 64, Allocated: 1024, Present: true} }
		web := func(at int64, used float64) Row {
			return Row{At: at, CPU: Amounts{Used: used, Allocated: 4, Present: true}, Memory: mem(at)}
		}
		want := []Step{
			{At: at + 15, IDs: []string{"web"}, Rows: []Row{web(at+15, 29./14)}}, // the first tick is about no time
			{At: at + 30, IDs: []string{"job", "web"}, Rows: []Row{
				{At: at + 30, CPU: Amounts{Used: 0.5, Allocated: 1, Present: true}}, web(at+30, 4),
			}},
			{At: at + 105, IDs: []string{"web"}, Rows: []Row{web(at+105, (15*3+1)/16.)}},
		}
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-6 })
		if diff := cmp.Diff(want, steps, near); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if node.Cores != 8 || coresOf(node.ID) != 8 || trace.Dataset != "node-7" || trace.Interval != 15*time.Second ||
			trace.Nodes != 1 || trace.Containers != 2 || !trace.HasMemory || trace.Span() != 105*time.Second || trace.Cut != 0 {
			t.Errorf("trace %+v of node %s with %v cores", trace, node.ID, node.Cores)
		}
	}
}

// What cannot stand in a trace is refused, not written.
func TestANameThatIsNoIDIsNotExported(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a,b")
	recordTicks(t, dir, []*snapshot.Snapshot{recordedTick(0, snapshot.ValueOf(1), false)})
	out := filepath.Join(t.TempDir(), "x.csv")
	if err := Export(dir, out, 0, nil, io.Discard); !errors.Is(err, ErrRow) || !strings.Contains(err.Error(), `"a,bc8"`) {
		t.Errorf("%v, want %v that names it", err, ErrRow)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v, want none", err)
	}
}

func TestARecordingIsJudged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ticks []*snapshot.Snapshot
	for i := range 3600 {
		ticks = append(ticks, recordedTick(i, snapshot.ValueOf(1+float64(i%60)/60), i%600 < 300))
	}
	for part := range slices.Chunk(ticks, 1200) { // a file each
		recordTicks(t, dir, part)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+recording.Extension))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v: want 3", len(files), err)
	}
	run := func() *Report {
		r, err := Run(&Request{
			Traces: []string{dir}, Estimators: []string{"tce", "latest"}, TargetViolation: 0.01,
			Horizons: []time.Duration{time.Minute}, Step: 5 * time.Second, BurnIn: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := run()
	if s := whole.Traces[0]; s.Interval != Span(5*time.Second) || s.Span != Span(time.Hour) || s.CutFiles != 0 || s.Containers != 2 {
		t.Errorf("summary %+v", s)
	}
	cpu := whole.Cells[0]
	if cpu.Steps != 589 || cpu.Savings <= 0 || cpu.Savings > cpu.Oracle+0.05 {
		t.Errorf("cell %+v", cpu)
	}

	// A daemon that was killed: its last file ends in the middle.
	last := files[len(files)-1]
	info, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	cut := run()
	if s := cut.Traces[0]; s.CutFiles != 1 || s.Span >= Span(time.Hour) || s.Span < Span(40*time.Minute) {
		t.Errorf("summary of a recording that was cut: %+v", s)
	}

	// A file that is damaged is an error, unless such are to be skipped.
	b, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x55
	if err := os.WriteFile(files[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTrace(dir, TraceOptions{}); !errors.Is(err, recording.ErrCorrupt) {
		t.Errorf("a damaged file: %v, want ErrCorrupt", err)
	}
	trace, err := OpenTrace(dir, TraceOptions{SkipMalformed: true})
	if err != nil || trace.Skipped != 1 || !errors.Is(trace.SkippedRows[0].Err, recording.ErrCorrupt) {
		t.Errorf("a damaged file to be skipped: %+v, %v", trace, err)
	}
}

func TestARecordingIsRefused(t *testing.T) {
	t.Parallel()
	empty, idle := t.TempDir(), t.TempDir()
	recordTicks(t, idle, []*snapshot.Snapshot{{Seq: 1, At: recordedAt}})
	for _, tc := range []struct {
		name, path string
		opts       TraceOptions
		want       error
	}{
		{"no recording in it", empty, TraceOptions{}, recording.ErrNotRecording},
		{"no agent reported", idle, TraceOptions{}, ErrEmpty},
		{"half seconds", idle, TraceOptions{Step: 1500 * time.Millisecond}, ErrOptions},
		{"nothing there", filepath.Join(empty, "x"+recording.Extension), TraceOptions{}, os.ErrNotExist},
	} {
		if _, err := OpenTrace(tc.path, tc.opts); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}
