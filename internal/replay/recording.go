package replay

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// recordingPrefix says that a path is that of a recording.
const recordingPrefix = "recording:"

// DefaultStep is what the ticks of a recording are put together to: one of the
// agent's intervals.
const DefaultStep = 15 * time.Second

// recordingAt is the path of a recording, "" when path is that of a CSV file. A
// directory is one, and a file with the extension of one.
func recordingAt(path string) string {
	if rest, ok := strings.CutPrefix(path, recordingPrefix); ok {
		return rest
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasSuffix(path, recording.Extension) {
		return path
	}
	return ""
}

// recording turns what the daemon recorded on its node into steps. It is read
// once, in order, so memory does not depend on its length.
//
// A step holds the regular top-level containers that are there at its last
// tick: usage is the mean of its ticks, weighted with the time that each is
// about, the allocation that of the last. A container that could not be read in
// any of them counts at its allocation, as in the daemon. Times are the recorded
// ones; a tick that is not after the one before (a clock that was set back) is
// left out.
type recorded struct {
	reader *recording.Reader
	step   time.Duration
	skip   bool
	// cut counts files that do not end well, other faults go to skipped.
	cut     func()
	skipped func(error)
}

// means are of one container in the step under way.
type means struct {
	cpu, mem mean
	// tick is when it was there last.
	tick time.Time
	row  Row
}

type mean struct{ sum, weight float64 }

func (m *mean) add(v, weight float64) {
	m.sum += v * weight
	m.weight += weight
}

// or is the mean, or what stands for it when there is none.
func (m *mean) or(v float64) float64 {
	if m.weight <= 0 {
		return v
	}
	return m.sum / m.weight
}

// gathering is the step under way.
type gathering struct {
	slot       int64
	last       time.Time
	containers map[string]*means
	ids        []string // of the last tick, in its order
	cores      float64
}

// each shows every step, and the node's processors at its end, until visit
// returns false or an error.
func (r *recorded) each(visit func(s *Step, cores float64) (bool, error)) error {
	g := gathering{slot: -1, containers: make(map[string]*means)}
	var step Step
	for s, err := range r.reader.All() {
		switch {
		case errors.Is(err, recording.ErrCut):
			r.cut()
			continue
		case err != nil && !r.skip:
			return err
		case err != nil:
			r.skipped(err)
			continue
		case !s.At.After(g.last) || s.At.Unix() < 0:
			continue
		}
		if slot := s.At.UnixNano() / int64(r.step); slot != g.slot {
			if more, err := r.flush(&g, &step, visit); err != nil || !more {
				return err
			}
			g.slot = slot
		}
		r.gather(&g, s)
	}
	_, err := r.flush(&g, &step, visit)
	return err
}

// gather adds a tick to the step under way.
func (r *recorded) gather(g *gathering, s *snapshot.Snapshot) {
	weight := time.Nanosecond.Seconds()
	if !g.last.IsZero() {
		weight = min(s.At.Sub(g.last), r.step).Seconds()
	}
	g.last, g.ids = s.At, g.ids[:0]
	if size := s.Host.Usable(); size.OK() {
		g.cores = size.V
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.Parent != "" || c.Class() != snapshot.ClassRegular || len(g.ids) > 0 && g.ids[len(g.ids)-1] == c.ID {
			continue
		}
		m := g.containers[c.ID]
		if m == nil {
			m = &means{}
			g.containers[c.ID] = m
		}
		g.ids = append(g.ids, c.ID)
		m.tick = s.At
		m.row.CPU.Allocated = c.Executor.Regular.Get(resources.CPUs).Float()
		m.row.Memory.Allocated = c.Executor.Regular.Get(resources.Mem).Float()
		if v := c.CPU.Cores; c.OnDisk && v.OK() && v.V >= 0 && v.V <= maxQuantity {
			m.cpu.add(v.V, weight)
		}
		if b := c.Memory.UnreclaimableBytes; c.OnDisk && b.OK() {
			m.mem.add(float64(b.N)/resources.MemUnitBytes, weight)
		}
	}
}

// flush shows the step that is over.
func (r *recorded) flush(g *gathering, step *Step, visit func(*Step, float64) (bool, error)) (bool, error) {
	if g.slot < 0 {
		return true, nil
	}
	// A row's time is the end of its step.
	step.At = (g.slot + 1) * int64(r.step/time.Second)
	step.IDs, step.Rows = step.IDs[:0], step.Rows[:0]
	for _, id := range g.ids {
		m := g.containers[id]
		row := Row{At: step.At, CPU: amounts(&m.cpu, m.row.CPU.Allocated), Memory: amounts(&m.mem, m.row.Memory.Allocated)}
		if row.CPU.Present || row.Memory.Present {
			step.IDs, step.Rows = append(step.IDs, id), append(step.Rows, row)
		}
	}
	clear(g.containers)
	return visit(step, g.cores)
}

func amounts(m *mean, allocated float64) Amounts {
	if !(allocated > 0 && allocated <= maxQuantity) {
		return Amounts{}
	}
	return Amounts{Used: m.or(allocated), Allocated: allocated, Present: true}
}

// openRecording opens the trace's recording.
func (t *Trace) openRecording(cut func(), skipped func(error)) (*recorded, error) {
	r, err := recording.Open(t.recording)
	if err != nil {
		return nil, err
	}
	return &recorded{reader: r, step: t.Interval, skip: t.skip, cut: cut, skipped: skipped}, nil
}

// scanRecording reads the whole recording once, as scan reads a CSV file.
func (t *Trace) scanRecording(step time.Duration) error {
	if step == 0 {
		step = DefaultStep
	}
	if step < time.Second || step%time.Second != 0 {
		return fmt.Errorf("%w: a step of %s is not one of whole seconds", ErrOptions, step)
	}
	t.Interval = step
	r, err := t.openRecording(func() { t.Cut++ }, func(err error) {
		t.Skipped++
		if len(t.SkippedRows) < maxReported {
			t.SkippedRows = append(t.SkippedRows, Skipped{Err: err})
		}
	})
	if err != nil {
		return err
	}
	present := make(map[string]bool)
	err = r.each(func(s *Step, cores float64) (bool, error) {
		if t.Rows == 0 {
			t.Start = s.At
		}
		t.End, t.cores = s.At, cores
		t.Rows += len(s.Rows)
		now := make(map[string]bool, len(s.IDs))
		for i, id := range s.IDs {
			now[id] = true
			if !present[id] {
				t.Containers++
			}
			t.HasCPU = t.HasCPU || s.Rows[i].CPU.Present
			t.HasMemory = t.HasMemory || s.Rows[i].Memory.Present
		}
		present = now
		return true, nil
	})
	if err == nil && t.Rows == 0 {
		err = fmt.Errorf("%w: no regular container that an agent reports", ErrEmpty)
	}
	t.Nodes = 1
	return err
}

// errStopped ends the reading of a recording early.
var errStopped = errors.New("stopped")

// visitRecording replays the node that was recorded.
func (t *Trace) visitRecording(visit func(*Node) error) error {
	r, err := t.openRecording(func() {}, func(error) {}) // counted when it was opened
	if err != nil {
		return err
	}
	// Whole processors, so that the id says as much as that of a CSV file.
	cores := math.Floor(t.cores)
	n := &Node{ID: t.Dataset + "c" + strconv.Itoa(int(cores)), Cores: cores}
	steps, stop := pull(r)
	defer stop()
	n.steps = steps
	return visit(n)
}

// pull makes of each something that can be asked for the next step.
func pull(r *recorded) (next func(*Step) (bool, error), stop func()) {
	type got struct {
		step *Step
		err  error
	}
	var seq iter.Seq[got] = func(yield func(got) bool) {
		err := r.each(func(s *Step, _ float64) (bool, error) {
			if !yield(got{step: s}) {
				return false, errStopped
			}
			return true, nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(got{err: err})
		}
	}
	pulled, stop := iter.Pull(seq)
	return func(s *Step) (bool, error) {
		g, ok := pulled()
		if !ok || g.err != nil {
			return false, g.err
		}
		s.At = g.step.At
		s.IDs, s.Rows = append(s.IDs[:0], g.step.IDs...), append(s.Rows[:0], g.step.Rows...)
		return true, nil
	}, stop
}

// nameOf is "node-7" for "recordings/node-7/".
func nameOf(path string) string {
	return strings.TrimSuffix(filepath.Base(filepath.Clean(path)), recording.Extension)
}
