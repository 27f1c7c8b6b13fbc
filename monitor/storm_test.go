package monitor_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// stormSize is how many containers start and stop; at 200 a second it would
// take 3 s.
const stormSize = 600

// storm starts and stops containers while ticks go on. Each lives until two
// whole ticks began and ended in its lifetime.
type storm struct {
	mu    sync.Mutex
	moved *sync.Cond
	// ticks counts ticks that ended.
	ticks int
	over  bool
	err   error
}

func (s *storm) ticked() (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticks++
	s.moved.Broadcast()
	return s.over
}

func (s *storm) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ticks
}

func (s *storm) await(tick int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.ticks < tick {
		s.moved.Wait()
	}
}

func (s *storm) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.err = true, err
}

// run keeps up to 50 containers alive at a time.
func (s *storm) run(r *cgrouptest.Real) {
	type alive struct {
		name  string
		until int
	}
	var live []alive
	stop := func() error {
		s.await(live[0].until)
		err := r.Tree.Remove(live[0].name)
		live = live[1:]
		return err
	}
	for i := range stormSize {
		name := fmt.Sprintf("storm-%04d", i)
		if err := r.Tree.Make(name); err != nil {
			s.end(err)
			return
		}
		// One tick may be under way already, and two whole ones follow.
		live = append(live, alive{name, s.now() + 3})
		if len(live) == 50 {
			if err := stop(); err != nil {
				s.end(err)
				return
			}
		}
	}
	for len(live) > 0 {
		if err := stop(); err != nil {
			s.end(err)
			return
		}
	}
	s.end(nil)
}

func TestRealStormLosesAndLeaksNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r := cgrouptest.NewReal(t)
	r.Make("steady")
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name, RescanEvery: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	m.Sample(time.Now(), nil)
	m.Sample(time.Now(), nil)
	filesBefore, keptBefore, heapBefore := openFiles(t), m.Stats().OpenFiles, heap()

	s := &storm{}
	s.moved = sync.NewCond(&s.mu)
	go s.run(r)
	seen := make(map[string]uint64) // inode by id
	began, steady := time.Now(), 0
	for {
		snap := m.Sample(time.Now(), nil)
		for _, c := range snap.Containers {
			if c.ID == "steady" {
				steady++
				if !c.CPU.UsageNanos.OK() {
					t.Errorf("the steady one: %+v", c.CPU)
				}
			}
			if inode, ok := seen[c.ID]; ok && inode != c.Inode {
				t.Errorf("%s was %d and is %d", c.ID, inode, c.Inode)
			}
			seen[c.ID] = c.Inode
		}
		if s.ticked() {
			break
		}
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	t.Logf("%.0f containers a second, %.0f ticks a second",
		stormSize/time.Since(began).Seconds(), float64(s.now())/time.Since(began).Seconds())
	for i := range stormSize {
		if name := fmt.Sprintf("storm-%04d", i); seen[name] == 0 {
			t.Errorf("%s was never seen", name)
		}
	}
	if steady != s.now() {
		t.Errorf("the steady one was in %d of %d ticks", steady, s.now())
	}

	clear(seen)
	m.Sample(time.Now(), nil)
	last := m.Sample(time.Now(), nil)
	if len(last.Containers) != 1 {
		t.Errorf("%d containers after the storm: %v", len(last.Containers), ids(last))
	}
	if got := m.Stats().OpenFiles; got != keptBefore {
		t.Errorf("%d kept descriptors, %d before", got, keptBefore)
	}
	if got := openFiles(t); got != filesBefore {
		t.Errorf("%d descriptors, %d before", got, filesBefore)
	}
	// What stays is the room for 50 at a time: slices, map buckets.
	if got := heap(); got > heapBefore+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", heapBefore, got)
	}
}

// Of very many containers that come at once each is there at once. What is
// expensive is read at their turn, or before it where much memory is used.
func TestRush(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		c := cgrouptest.NewCopied(t, t.TempDir(), shape)
		c.MakeRoot()
		n := newNode(t, monitor.Config{CgroupRoot: c.Root})
		n.tick(time.Second, nil)
		for i := range 50 {
			c.Make(fmt.Sprintf("c%02d", i))
		}
		for tick := range monitor.DefaultStatEvery + 4 {
			s := n.tick(time.Second, nil)
			if len(s.Containers) != 50 {
				t.Fatalf("%s, tick %d: %d containers", shape, tick, len(s.Containers))
			}
			whole := 0
			for _, o := range s.Containers {
				if !o.CPU.UsageNanos.OK() || !o.Memory.UsageBytes.OK() {
					t.Errorf("%s, tick %d: %+v", shape, tick, o)
				}
				if o.Memory.UnreclaimableBytes.OK() && o.CPU.QuotaCores.OK() {
					whole++
				}
				for _, why := range []snapshot.Absence{o.Memory.UnreclaimableBytes.Why, o.CPU.QuotaCores.Why} {
					if why != snapshot.Present && why != snapshot.NotRead {
						t.Errorf("%s, tick %d: %v", shape, tick, why)
					}
				}
			}
			// A usage that is large, or a turn of its own, has some read early.
			if whole < 20 || tick == 0 && whole == 50 || tick >= monitor.DefaultStatEvery+3 && whole != 50 {
				t.Errorf("%s, tick %d: all is read of %d", shape, tick, whole)
			}
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
