package throttle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// inForce is what whole makes of a container's files.
func appliedTo(n *node, id string) map[string]string {
	names := n.names(id)
	if n.v2 {
		return map[string]string{names[weight]: "1", names[quota]: "49999 100000", names[memoryHigh]: "3145728", names[freeze]: "1"}
	}
	return map[string]string{names[weight]: "2", names[quota]: "49999", names[freeze]: "FROZEN"}
}

func TestApplyAndGiveBack(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key, other := n.add(one), n.add(two)
		was := n.all()
		a := n.actor()
		r := a.Apply(start, whole(victim(t, key)), nil)
		n.expect(was, appliedTo(n, one))
		for k := range numKinds {
			s := setting(r, key, k)
			want := Setting{Name: kindNames[k], File: filepath.Base(n.names(one)[k]), Wanted: true, Why: Applied, Since: start, Value: appliedTo(n, one)[n.names(one)[k]], Before: was[n.names(one)[k]]}
			if n.names(one)[k] == "" {
				want = Setting{Name: kindNames[k], Wanted: true, Why: NoFile}
			}
			if s != want {
				t.Errorf("%s is %+v, want %+v", kindNames[k], s, want)
			}
		}
		if s := setting(r, other, weight); s != (Setting{}) {
			t.Errorf("the other container has %+v", s)
		}
		applied := r.Counters.Applied
		// The same again writes nothing.
		r = a.Apply(start.Add(time.Second), whole(victim(t, key)), nil)
		if r.Counters.Applied != applied || r.Counters.Overwritten != 0 || r.Counters.Failed != 0 {
			t.Errorf("counted %+v after %d", r.Counters, applied)
		}
		if s := setting(r, key, quota); s.Since != start {
			t.Errorf("since %s, want %s", s.Since, start)
		}
		if !exists(n.journal) {
			t.Error("no journal while something is in force")
		}
		r = a.Apply(start.Add(2*time.Second), qos.Actions{}, nil)
		n.expect(was, nil)
		if r.Counters.Restored != applied {
			t.Errorf("counted %+v, want %d restored", r.Counters, applied)
		}
		if exists(n.journal) {
			t.Error("a journal is left with nothing in force")
		}
		if len(a.known) != 0 || len(a.sorted) != 0 {
			t.Errorf("%d containers are still known", len(a.known))
		}
	})
}

func TestChangeOfMind(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	a := n.actor()
	for _, tc := range []struct {
		cores float64
		want  string
	}{{0.5, "49999 100000"}, {0.25, "24999 100000"}, {1.5, "149999 100000"}, {0.000001, "1001 100000"}} {
		r := a.Apply(start, qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), Cores: tc.cores}}}, nil)
		n.expect(was, map[string]string{n.names(one)[quota]: tc.want})
		if r.Counters.Overwritten != 0 {
			t.Errorf("%+v", r.Counters)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	n.expect(was, nil)
}

func TestAgentOverwritesWeight(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		a := n.actor()
		low := qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), LowWeight: true}}}
		name := n.names(one)[weight]
		floor := appliedTo(n, one)[name]
		a.Apply(start, low, nil)
		n.put(name, "31\n")
		r := a.Apply(start, low, nil)
		n.expect(was, map[string]string{name: floor})
		if r.Counters.Overwritten != 1 {
			t.Errorf("counted %+v, want 1 overwritten", r.Counters)
		}
		if s := setting(r, key, weight); s.Before != "31" || s.Why != Applied {
			t.Errorf("%+v", s)
		}
		// The same value as at first is an overwriting as well.
		n.put(name, "20\n")
		if r = a.Apply(start, low, nil); r.Counters.Overwritten != 2 {
			t.Errorf("counted %+v, want 2 overwritten", r.Counters)
		}
		// At the end the agent's last value stands, even if it came after ours.
		n.put(name, "40\n")
		a.Apply(start, qos.Actions{}, nil)
		n.expect(was, map[string]string{name: "40"})
	})
}

func TestAgentSetsQuota(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	key := n.add(one)
	was := n.all()
	name := n.names(one)[quota]
	half := qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), Cores: 0.5}}}
	a := n.actor()
	a.Apply(start, half, nil)
	n.put(name, "-1\n") // an update without a limit
	a.Apply(start, half, nil)
	n.expect(was, map[string]string{name: "49999"})
	// Its quota stays, looser or tighter, during and after.
	for _, value := range []string{"200000", "1000"} {
		n.put(name, value+"\n")
		r := a.Apply(start, half, nil)
		n.expect(was, map[string]string{name: value})
		if s := setting(r, key, quota); s.Why != AgentOwnsQuota || s.Value != "" {
			t.Errorf("%+v", s)
		}
	}
	if exists(n.journal) {
		t.Error("a quota of the agent's stands in the journal")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	n.expect(was, map[string]string{name: "1000"})
}

func TestDying(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		a := n.actor()
		v := victim(t, key)
		a.Apply(start, whole(v), nil)
		names := n.names(one)
		boosted := map[string]string{names[weight]: "10240"}
		if n.v2 {
			boosted[names[weight]] = "10000"
		}
		a.Boost(start, v)
		n.expect(was, boosted)
		// Whoever decided before the kill does not know of it.
		r := a.Apply(start.Add(time.Second), whole(v), nil)
		n.expect(was, boosted)
		if s := setting(r, key, weight); s.Why != Boosted || !r.Containers[0].Dying {
			t.Errorf("%+v", r.Containers)
		}
		// The agent freezes it on the way to its end.
		if !n.v2 {
			n.put(names[freeze], "FROZEN\n")
			boosted[names[freeze]] = "FROZEN"
		}
		a.Apply(start.Add(2*time.Second), whole(v), []qos.Victim{v})
		n.expect(was, boosted)
		if !n.v2 {
			n.put(names[freeze], "THAWED\n")
			delete(boosted, names[freeze])
		}
		// It has not died in time: no more boost, however long it is listed.
		for i := range 3 {
			r = a.Apply(start.Add(defaultBoostFor+time.Duration(i)*time.Second), qos.Actions{}, []qos.Victim{v})
			n.expect(was, nil)
			if s := setting(r, key, weight); s.Why != BoostExpired || s.Value != "" {
				t.Errorf("%+v", r.Containers)
			}
		}
		// It is killed again.
		a.Boost(start.Add(time.Minute), v)
		n.expect(was, boosted)
		// Its freezer has been the agent's since.
		r = a.Apply(start.Add(2*time.Minute), whole(v), nil)
		if s := setting(r, key, freeze); s.Why != HandedOver || s.Value != "" {
			t.Errorf("%+v", s)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		n.expect(was, nil)
	})
}

func TestThawedByAgentStaysThawed(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		name := n.names(one)[freeze]
		a := n.actor()
		frozen := qos.Actions{Freezes: []qos.Victim{victim(t, key)}}
		a.Apply(start, frozen, nil)
		n.put(name, was[name]+"\n")
		for range 2 {
			r := a.Apply(start, frozen, nil)
			n.expect(was, nil)
			if s := setting(r, key, freeze); s.Why != ThawedByOther || r.Counters.Overwritten != 1 {
				t.Errorf("%+v, %+v", s, r.Counters)
			}
		}
	})
}

func TestFrozenByOther(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		name := n.names(one)[freeze]
		n.put(name, appliedTo(n, one)[name]+"\n")
		was := n.all()
		a := n.actor()
		r := a.Apply(start, qos.Actions{Freezes: []qos.Victim{victim(t, key)}}, nil)
		if s := setting(r, key, freeze); s.Why != FrozenByOther {
			t.Errorf("%+v", s)
		}
		a.Apply(start, qos.Actions{}, []qos.Victim{victim(t, key)})
		if got := n.get(name); got != was[name] {
			t.Errorf("%s holds %q", name, got)
		}
	})
}

func TestFreezingIsFollowedUp(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	key := n.add(one)
	a := n.actor()
	frozen := qos.Actions{Freezes: []qos.Victim{victim(t, key)}}
	a.Apply(start, frozen, nil)
	n.put(n.names(one)[freeze], "FREEZING\n")
	r := a.Apply(start, frozen, nil)
	if got := n.get(n.names(one)[freeze]); got != "FROZEN" || r.Counters.Overwritten != 0 || r.Counters.Applied != 1 {
		t.Errorf("holds %q, counted %+v", got, r.Counters)
	}
}

// TestStuckFreezeIsLetGo plays a kernel that never gets past FREEZING.
func TestStuckFreezeIsLetGo(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	key := n.add(one)
	a := n.actor()
	name := n.names(one)[freeze]
	frozen := qos.Actions{Freezes: []qos.Victim{victim(t, key)}}
	story := []string{"FROZEN"}
	var last Setting
	for now := start; now.Before(start.Add(3 * time.Second)); now = now.Add(100 * time.Millisecond) {
		r := a.Apply(now, frozen, nil)
		if r.Counters.Overwritten != 0 || r.Counters.Failed != 0 {
			t.Fatalf("%+v", r.Counters)
		}
		last = setting(r, key, freeze)
		got := n.get(name)
		if got != story[len(story)-1] {
			story = append(story, got)
		}
		if got == "FROZEN" {
			n.put(name, "FREEZING\n")
		}
	}
	if want := "FROZEN THAWED FROZEN THAWED FROZEN THAWED FROZEN THAWED"; strings.Join(story, " ") != want {
		t.Errorf("wrote %q, want %q", story, want)
	}
	if last.Why != Unfreezable || last.Value != "" || exists(n.journal) {
		t.Errorf("%+v, journal: %v", last, exists(n.journal))
	}
}

// TestStuckFreezeUnwanted: let go for a moment, and then no longer wanted.
func TestStuckFreezeUnwanted(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	key := n.add(one)
	was := n.all()
	a := n.actor()
	frozen := qos.Actions{Freezes: []qos.Victim{victim(t, key)}}
	for i, text := range []string{"THAWED", "FREEZING", "FREEZING"} {
		n.put(n.names(one)[freeze], text+"\n")
		a.Apply(start.Add(time.Duration(i)*time.Second), frozen, nil)
	}
	n.expect(was, nil) // let go
	r := a.Apply(start.Add(4*time.Second), qos.Actions{}, nil)
	if r.Counters.Overwritten != 0 || exists(n.journal) || len(a.known) != 0 {
		t.Errorf("%+v, journal: %v, known: %d", r.Counters, exists(n.journal), len(a.known))
	}
	n.expect(was, nil)
}

func TestVanishedAndRecreated(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		a := n.actor()
		v := victim(t, key)
		a.Apply(start, whole(v), nil)
		dirs := []string{"cpu/mesos/", "cpuacct/mesos/", "memory/mesos/", "freezer/mesos/"}
		if n.v2 {
			dirs = []string{"mesos/"}
		}
		for _, d := range dirs {
			// Kept under another name, so that no inode is given again.
			if err := os.Rename(filepath.Join(n.root, d+one), filepath.Join(n.root, d+"old")); err != nil {
				t.Fatal(err)
			}
		}
		n.add(two)
		again := n.add(one)
		if again.Inode == key.Inode {
			t.Fatal("the same inode")
		}
		was := n.all()
		for _, step := range []func() Report{
			func() Report { return a.Apply(start, whole(v), nil) },
			func() Report { return a.Apply(start, qos.Actions{}, []qos.Victim{v}) },
			func() Report { a.Boost(start, v); return a.Apply(start, qos.Actions{}, nil) },
		} {
			r := step()
			n.expect(was, nil)
			if s := setting(r, key, weight); s.Why != Recreated {
				t.Errorf("%+v", r.Containers)
			}
		}
		for _, d := range dirs {
			if err := os.RemoveAll(filepath.Join(n.root, d+one)); err != nil {
				t.Fatal(err)
			}
		}
		if s := setting(a.Apply(start, whole(v), nil), key, weight); s.Why != Vanished {
			t.Errorf("%+v", s)
		}
		if err := a.Close(); err != nil || exists(n.journal) || len(a.known) != 0 {
			t.Errorf("%v, journal: %v, known: %d", err, exists(n.journal), len(a.known))
		}
	})
}

func TestWithoutLeafNothingIsWritten(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	if err := os.Rename(filepath.Join(n.root, "mesos", one, "leaf"), filepath.Join(n.root, "leaf")); err != nil {
		t.Fatal(err)
	}
	was := n.all()
	a := n.actor()
	for _, r := range []Report{
		a.Apply(start, whole(victim(t, key)), nil),
		a.Apply(start, qos.Actions{}, []qos.Victim{victim(t, key)}),
	} {
		n.expect(was, nil)
		if s := setting(r, key, weight); s.Why != NoFile {
			t.Errorf("%+v", s)
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		regular := n.add(two)
		name := n.names(one)[weight]
		if err := os.Remove(filepath.Join(n.root, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(n.root, n.names(two)[weight]), filepath.Join(n.root, name)); err != nil {
			t.Fatal(err)
		}
		was := n.all()
		a := n.actor()
		low := qos.Throttle{Victim: victim(t, key), LowWeight: true}
		r := a.Apply(start, qos.Actions{Throttles: []qos.Throttle{low}}, nil)
		n.expect(was, nil)
		if s := setting(r, key, weight); s.Why != Failed {
			t.Errorf("%+v", s)
		}
		if s := setting(r, regular, weight); s != (Setting{}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestMalformedIsLeftAlone(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		for k, name := range n.names(one) {
			if name == "" {
				continue
			}
			for _, text := range []string{"", "x", "9 9 9", "99999999999999999999999999", "-7", "max"} {
				if kind(k) == memoryHigh && text == "max" {
					continue
				}
				key := n.add(one)
				n.put(name, text)
				was := n.all()
				a := n.actor()
				r := a.Apply(start, whole(victim(t, key)), nil)
				if s := setting(r, key, kind(k)); s.Why != Malformed || n.get(name) != text {
					t.Errorf("%s with %q: %+v, holds %q", name, text, s, n.get(name))
				}
				if err := a.Close(); err != nil {
					t.Error(err)
				}
				n.expect(was, nil)
			}
		}
	})
}

// TestMalformedWhileHeld keeps what to give back until the file makes sense.
func TestMalformedWhileHeld(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		name := n.names(one)[weight]
		a := n.actor()
		a.Apply(start, whole(victim(t, key)), nil)
		n.put(name, "garbage\n")
		err := a.Close()
		if !errors.Is(err, ErrLeft) || !exists(n.journal) {
			t.Errorf("%v, journal: %v", err, exists(n.journal))
		}
		n.expect(was, map[string]string{name: "garbage"})
		n.put(name, appliedTo(n, one)[name]+"\n")
		if err := a.Close(); err != nil || exists(n.journal) {
			t.Errorf("%v, journal: %v", err, exists(n.journal))
		}
		n.expect(was, nil)
	})
}

func TestMemoryComesDownInSteps(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	a := n.actor()
	name := n.names(one)[memoryHigh]
	ask := qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), MemoryHighBytes: 100<<20 + 1}}}
	for _, tc := range []struct {
		usage, want string
		why         reason.Code
	}{
		{"314572800", "247463936", Approaching}, // 300 MiB: 64 MiB less
		{"247463936", "180355072", Approaching},
		{"280000000", "180355072", Approaching}, // never up again
		{"180355072", "113246208", Approaching},
		{"113246208", "104857600", Applied},
		{"500000000", "104857600", Applied},
	} {
		n.put("mesos/"+one+"/leaf/memory.current", tc.usage+"\n")
		r := a.Apply(start, ask, nil)
		if got := n.get(name); got != tc.want || setting(r, key, memoryHigh).Why != tc.why {
			t.Errorf("with %s in use: %s, want %s; %+v", tc.usage, got, tc.want, setting(r, key, memoryHigh))
		}
		if r.Counters.Overwritten != 0 {
			t.Errorf("%+v", r.Counters)
		}
	}
	if err := a.Close(); err != nil || n.get(name) != "max" {
		t.Errorf("%v, left %s", err, n.get(name))
	}
}

func TestWhatIsThereIsEnough(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	names := n.names(one)
	n.put(names[weight], "1\n")
	n.put(names[quota], "20000 50000\n") // 0.4 cores
	n.put(names[memoryHigh], "1048576\n")
	was := n.all()
	a := n.actor()
	r := a.Apply(start, qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), Cores: 0.5, LowWeight: true, MemoryHighBytes: 3 << 20}}}, nil)
	n.expect(was, nil)
	for _, k := range []kind{weight, quota, memoryHigh} {
		if s := setting(r, key, k); s.Why != NotNeeded || s.Value != "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestNestedIsSaid(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	n.mkdir("mesos/" + one + "/mesos/child/leaf")
	r := n.actor().Apply(start, whole(victim(t, key)), nil)
	if s := setting(r, key, quota); s.Why != PartialNested {
		t.Errorf("%+v", s)
	}
	if s := setting(r, key, weight); s.Why != Applied {
		t.Errorf("%+v", s)
	}
}

func TestZeroVictimIsIgnored(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		n.add(one)
		was := n.all()
		a := n.actor()
		r := a.Apply(start, whole(qos.Victim{}), []qos.Victim{{}})
		a.Boost(start, qos.Victim{})
		n.expect(was, nil)
		if len(r.Containers) != 0 {
			t.Errorf("%+v", r.Containers)
		}
	})
}

func TestNamesThatAreNoContainers(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	n.add(one)
	was := n.all()
	a := n.actor()
	for _, id := range []string{"..", ".", one + "/mesos", "../" + one, "x\x00y"} {
		if r := a.Apply(start, whole(victim(t, snapshot.Key{ID: id, Inode: 1})), nil); len(r.Containers) != 0 {
			t.Errorf("%q: %+v", id, r.Containers)
		}
	}
	n.expect(was, nil)
}

func TestControllerNotMounted(t *testing.T) {
	n := newNode(t, t.TempDir(), false)
	key := n.add(one)
	cfg := n.config()
	cfg.Layout.Freezer = ""
	r := n.start(cfg).Apply(start, whole(victim(t, key)), nil)
	if s := setting(r, key, freeze); s.Why != NoController {
		t.Errorf("%+v", s)
	}
}

func TestClosed(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	a := n.actor()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.Apply(start, whole(victim(t, key)), nil)
	a.Boost(start, victim(t, key))
	n.expect(was, nil)
}

// TestBoostWhileApplying is for the race detector, and for the sum of it all.
func TestBoostWhileApplying(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		v, other := victim(t, n.add(one)), victim(t, n.add(two))
		was := n.all()
		a := n.actor()
		var boosting sync.WaitGroup
		boosting.Go(func() {
			for i := range 20 {
				a.Boost(start.Add(time.Duration(i)*time.Second), v)
			}
		})
		for i := range 20 {
			a.Apply(start.Add(time.Duration(i)*time.Second), whole(other), nil)
		}
		boosting.Wait()
		changes := appliedTo(n, two)
		changes[n.names(one)[weight]] = "10240"
		if n.v2 {
			changes[n.names(one)[weight]] = "10000"
		}
		n.expect(was, changes)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		n.expect(was, nil)
	})
}

// TestLinkedDirectory: what stands for a container's directory is another's.
func TestLinkedDirectory(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		n.add(two)
		rel, to := "cpu/mesos/"+one, "cpu/mesos/"+two
		if n.v2 {
			rel, to = "mesos/"+one+"/leaf", "mesos/"+two+"/leaf"
		}
		path := filepath.Join(n.root, rel)
		if err := os.Rename(path, path+"-old"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(n.root, to), path); err != nil {
			t.Fatal(err)
		}
		was := n.all()
		a := n.actor()
		quotaOnly := qos.Throttle{Victim: victim(t, key), Cores: 0.5, LowWeight: true}
		r := a.Apply(start, qos.Actions{Throttles: []qos.Throttle{quotaOnly}}, nil)
		n.expect(was, nil)
		if s := setting(r, key, quota); s.Why != NoFile {
			t.Errorf("%+v", s)
		}
	})
}
