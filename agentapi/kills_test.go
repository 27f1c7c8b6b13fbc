package agentapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// executor is one that may be killed.
func executor(container string) snapshot.Executor {
	return snapshot.Executor{
		ContainerID: container, FrameworkID: "f", ExecutorID: "e-" + container,
		Revocable: resources.Quantities{{Name: "cpus", Amount: 1000}}, Class: snapshot.ClassRevocable,
	}
}

func victimOf(t interface{ Fatal(...any) }, container string, inode uint64) qos.Victim {
	e := executor(container)
	v, err := qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: container, Inode: inode}, Executor: &e}, qos.Cause{Rule: "r"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func report(at time.Time, executors ...snapshot.Executor) *snapshot.Usage {
	return &snapshot.Usage{At: at, Agent: "a", Executors: executors}
}

// onDisk is a snapshot with these containers on disk.
func onDisk(at time.Time, u *snapshot.Usage, keys ...snapshot.Key) *snapshot.Snapshot {
	s := &snapshot.Snapshot{At: at, Usage: u, TreeWhy: snapshot.Present}
	for _, k := range keys {
		s.Containers = append(s.Containers, snapshot.Container{Key: k, OnDisk: true})
	}
	return s
}

func newQueue() *killQueue {
	return &killQueue{retryAfter: 30 * time.Second, retryCap: 2 * time.Minute, validFor: 30 * time.Second}
}

func containers(batch []*kill) (ids []string) {
	for _, k := range batch {
		ids = append(ids, k.victim.Key().ID)
	}
	return ids
}

func TestInvalidVictimIsRefused(t *testing.T) {
	q := newQueue()
	if isNew, err := q.add(qos.Victim{}, noon, time.Time{}); !errors.Is(err, ErrVictim) || isNew {
		t.Errorf("add = %t, %v, want ErrVictim", isNew, err)
	}
	if len(q.inFlight()) != 0 {
		t.Error("it is in flight")
	}
}

// What the re-check at handover does with a kill of "x", by what the request's
// own report and the newest one say.
func TestHandoverIsCheckedAgain(t *testing.T) {
	changed := func(f func(*snapshot.Executor)) *snapshot.Usage {
		e := executor("x")
		f(&e)
		return report(noon, e)
	}
	listed, empty := report(noon, executor("y"), executor("x")), report(noon)
	for name, tc := range map[string]struct {
		report, latest        *snapshot.Usage
		handed, fresh, remain bool
	}{
		"both list it":                      {report: listed, latest: listed, handed: true, remain: true},
		"neither lists it":                  {report: empty, latest: empty},
		"only the newest does":              {report: empty, latest: listed, fresh: true, remain: true},
		"the newest does not any more":      {report: listed, latest: empty},
		"another executor in the container": {report: listed, latest: changed(func(e *snapshot.Executor) { e.ExecutorID = "other" })},
		"another framework":                 {report: listed, latest: changed(func(e *snapshot.Executor) { e.FrameworkID = "other" })},
		"the executor in another container": {report: listed, latest: changed(func(e *snapshot.Executor) { e.ContainerID = "other" })},
		"a regular task started beside it":  {report: listed, latest: changed(func(e *snapshot.Executor) { e.Class = snapshot.ClassShared })},
		"it is regular now":                 {report: listed, latest: changed(func(e *snapshot.Executor) { e.Class = snapshot.ClassRegular })},
		"it was regular in the request":     {report: changed(func(e *snapshot.Executor) { e.Class = snapshot.ClassRegular }), latest: listed, fresh: true, remain: true},
		"no report":                         {},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue()
			if _, err := q.add(victimOf(t, "x", 1), noon, time.Time{}); err != nil {
				t.Fatal(err)
			}
			got := q.take(noon, tc.report, tc.latest)
			if (len(got.batch) == 1) != tc.handed || got.wantFresh != tc.fresh || (len(q.kills) == 1) != tc.remain {
				t.Errorf("batch %v, fresh %t, %d remain", containers(got.batch), got.wantFresh, len(q.kills))
			}
			if dropped := uint64(1); !tc.remain && (q.counts.Dropped != dropped || len(got.ended) != 1) {
				t.Errorf("dropped %d, ended %d", q.counts.Dropped, len(got.ended))
			}
		})
	}
}

func TestRetriesDoubleUpToTheCap(t *testing.T) {
	q := newQueue()
	if _, err := q.add(victimOf(t, "x", 1), noon, time.Time{}); err != nil {
		t.Fatal(err)
	}
	u := report(noon, executor("x"))
	now := noon
	for i, wait := range []time.Duration{0, 30 * time.Second, time.Minute, 2 * time.Minute, 2 * time.Minute} {
		if wait > 0 {
			if got := q.take(now.Add(wait-1), u, u); len(got.batch) != 0 {
				t.Fatalf("handover %d came too early", i)
			}
			if at, ok := q.nextDue(); !ok || !at.Equal(now.Add(wait)) {
				t.Fatalf("retry %d is due at %s, want %s later", i, at, wait)
			}
		}
		now = now.Add(wait)
		got := q.take(now, u, u)
		if len(got.batch) != 1 {
			t.Fatalf("handover %d did not come", i)
		}
		q.sent(got.batch, now)
	}
	if q.counts.HandedOver != 1 || q.counts.Retried != 4 || q.counts.Ignored != 1 {
		t.Errorf("counts %+v", q.counts)
	}
}

func TestKillsAreConfirmedByDisappearance(t *testing.T) {
	key := snapshot.Key{ID: "x", Inode: 7}
	for name, tc := range map[string]struct {
		inode uint64
		snap  *snapshot.Snapshot
		gone  bool
	}{
		"still there":                        {7, onDisk(noon, nil, key), false},
		"its cgroup is gone":                 {7, onDisk(noon, nil, snapshot.Key{ID: "y", Inode: 8}), true},
		"the same name, another container":   {7, onDisk(noon, nil, snapshot.Key{ID: "x", Inode: 9}), true},
		"the inode could not be read":        {7, onDisk(noon, nil, snapshot.Key{ID: "x"}), false},
		"the tree could not be read":         {7, &snapshot.Snapshot{At: noon, TreeWhy: snapshot.Denied}, false},
		"listed by the agent, not on disk":   {7, onDisk(noon, report(noon.Add(1), executor("x"))), true},
		"never on disk, still listed":        {0, onDisk(noon, report(noon.Add(1), executor("x"))), false},
		"never on disk, not listed any more": {0, onDisk(noon, report(noon.Add(1))), true},
		"never on disk, the report is old":   {0, onDisk(noon, report(noon)), false},
		"never on disk, no report":           {0, onDisk(noon, nil), false},
		"not on disk when decided, now it is": {
			0, onDisk(noon, report(noon.Add(1)), key), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue()
			if _, err := q.add(victimOf(t, "x", tc.inode), noon, time.Time{}); err != nil {
				t.Fatal(err)
			}
			u := report(noon, executor("x"))
			q.sent(q.take(noon, u, u).batch, noon)
			q.observe(tc.snap)
			if got := len(q.kills) == 0; got != tc.gone {
				t.Errorf("gone = %t, want %t", got, tc.gone)
			}
			if got := q.counts.Confirmed == 1; got != tc.gone {
				t.Errorf("confirmed %d", q.counts.Confirmed)
			}
		})
	}
}

func TestKillsThatNobodyAsksForExpire(t *testing.T) {
	q := newQueue()
	if _, err := q.add(victimOf(t, "x", 1), noon, time.Time{}); err != nil {
		t.Fatal(err)
	}
	u := report(noon, executor("x"))
	there := snapshot.Key{ID: "x", Inode: 1}
	if q.observe(onDisk(noon.Add(30*time.Second), u, there)); len(q.kills) != 1 {
		t.Fatal("it expired too early")
	}
	late := noon.Add(30*time.Second + 1)
	if got := q.take(late, u, u); len(got.batch) != 0 || len(got.ended) != 1 || q.counts.Expired != 1 {
		t.Errorf("batch %v, counts %+v", containers(got.batch), q.counts)
	}
}

// The model: what is known of one decided kill without looking at the queue.
type modelKill struct {
	since    time.Time
	told     int
	lastTold time.Time
	wait     time.Duration
	sending  bool
}

// TestKillQueueModel drives the queue with random decisions, calls, losses,
// ends and time, and compares it with a model.
func TestKillQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		now := noon
		ids := []string{"a", "b", "c"}
		alive := map[string]uint64{} // inode of what is on disk
		nextInode := uint64(0)
		launch := func(id string) { nextInode++; alive[id] = nextInode }
		for _, id := range ids {
			launch(id)
		}
		killable := map[string]bool{"a": true, "b": true, "c": true}
		model := map[snapshot.Key]*modelKill{}
		var want KillCounts
		// pending is the answer under way; its kills may end meanwhile.
		var pending []*kill
		var asked []*modelKill
		settle := func(ok bool) {
			for _, m := range asked {
				m.sending = false
				switch {
				case !ok:
					want.Unsent++
					continue
				case m.told == 0:
					want.HandedOver++
				default:
					want.Retried++
					if m.told == 1 {
						want.Ignored++
					}
				}
				m.wait = min(max(2*m.wait, 30*time.Second), 2*time.Minute)
				m.told, m.lastTold = m.told+1, now
			}
			if ok {
				q.sent(pending, now)
			} else {
				q.unsent(pending)
			}
			pending, asked = nil, nil
		}
		usage := func() *snapshot.Usage {
			u := report(now)
			for _, id := range ids {
				e := executor(id)
				if !killable[id] {
					e.Class = snapshot.ClassShared
				}
				if _, on := alive[id]; on {
					u.Executors = append(u.Executors, e)
				}
			}
			return u
		}
		id := rapid.SampledFrom(ids)
		t.Repeat(map[string]func(*rapid.T){
			"decide": func(t *rapid.T) {
				id := id.Draw(t, "id")
				inode, on := alive[id]
				if !on {
					t.Skip("nothing to kill")
				}
				key := snapshot.Key{ID: id, Inode: inode}
				isNew, err := q.add(victimOf(t, id, inode), now, time.Time{})
				if err != nil || isNew != (model[key] == nil) {
					t.Fatalf("add = %t, %v", isNew, err)
				}
				if isNew {
					model[key] = &modelKill{since: now}
					want.Queued++
				}
			},
			"ask": func(t *rapid.T) {
				if pending != nil {
					t.Skip("an answer is under way")
				}
				u := usage()
				var due []string
				for key, m := range model {
					_, on := alive[key.ID]
					switch {
					case m.told > 0 && now.Before(m.lastTold.Add(m.wait)):
					case m.told == 0 && now.Sub(m.since) > 30*time.Second:
						want.Expired++
						delete(model, key)
					// The report names containers by id only: a new one of the
					// same name passes here, and the agent's own ids differ.
					case !on || !killable[key.ID]:
						want.Dropped++
						delete(model, key)
					default:
						due = append(due, key.ID)
						asked = append(asked, m)
						m.sending = true
					}
				}
				got := q.take(now, u, u)
				pending = got.batch
				ids := containers(got.batch)
				slices.Sort(ids)
				slices.Sort(due)
				if diff := gocmp.Diff(due, ids); diff != "" {
					t.Fatalf("handed over (-want +got):\n%s", diff)
				}
			},
			"written": func(*rapid.T) { settle(true) },
			"lost":    func(*rapid.T) { settle(false) },
			"end":     func(t *rapid.T) { delete(alive, id.Draw(t, "id")) },
			"relaunch": func(t *rapid.T) {
				launch(id.Draw(t, "id"))
			},
			"change class": func(t *rapid.T) {
				id := id.Draw(t, "id")
				killable[id] = !killable[id]
			},
			"tick": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
				var keys []snapshot.Key
				for id, inode := range alive {
					keys = append(keys, snapshot.Key{ID: id, Inode: inode})
				}
				for key, m := range model {
					switch {
					case alive[key.ID] != key.Inode && m.told == 0 && !m.sending:
						want.EndedItself++
						delete(model, key)
					case alive[key.ID] != key.Inode:
						want.Confirmed++
						delete(model, key)
					case m.told == 0 && !m.sending && now.Sub(m.since) > 30*time.Second:
						want.Expired++
						delete(model, key)
					}
				}
				q.observe(onDisk(now, usage(), keys...))
			},
			"": func(t *rapid.T) {
				var got []snapshot.Key
				for _, f := range q.inFlight() {
					got = append(got, f.Key)
					if m := model[f.Key]; m != nil && !m.since.Equal(f.Since) {
						t.Fatalf("%v in flight since %s, want %s", f.Key, f.Since, m.since)
					}
				}
				byKey := snapshot.Key.Compare
				slices.SortFunc(got, byKey)
				if diff := gocmp.Diff(slices.SortedFunc(maps.Keys(model), byKey), got); diff != "" {
					t.Fatalf("in flight (-want +got):\n%s", diff)
				}
				if diff := gocmp.Diff(want, q.counts); diff != "" {
					t.Fatalf("counts (-want +got):\n%s", diff)
				}
				c := q.counts
				if c.Queued != uint64(len(q.kills))+c.Confirmed+c.EndedItself+c.Expired+c.Dropped {
					t.Fatal("kills got lost: ", fmt.Sprintf("%+v", c))
				}
			},
		})
	})
}
