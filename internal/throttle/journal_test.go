package throttle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/statefile"
	"github.com/estimatord/estimatord/qos"
)

// TestStartGivesBack drops an Actor without closing it, as a kill does.
func TestStartGivesBack(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key, other := n.add(one), n.add(two)
		was := n.all()
		n.actor().Apply(start, whole(victim(t, key)), []qos.Victim{victim(t, other)})
		a := n.actor()
		n.expect(was, nil)
		if exists(n.journal) {
			t.Error("a journal is left")
		}
		r := a.Apply(start, qos.Actions{}, nil)
		if want := uint64(len(appliedTo(n, one)) + 1); r.Counters.Restored != want {
			t.Errorf("counted %+v, want %d restored", r.Counters, want)
		}
	})
}

// TestStartLeavesWhatTheAgentWrote since the process was killed.
func TestStartLeavesWhatTheAgentWrote(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		n.actor().Apply(start, whole(victim(t, key)), nil)
		names := n.names(one)
		n.put(names[weight], "77\n")
		changes := map[string]string{names[weight]: "77"}
		if !n.v2 {
			n.put(names[quota], "30000\n")
			changes[names[quota]] = "30000"
		}
		n.actor()
		n.expect(was, changes)
		if exists(n.journal) {
			t.Error("a journal is left")
		}
	})
}

func TestStartLeavesARecreatedContainer(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	n.actor().Apply(start, whole(victim(t, key)), nil)
	if err := os.Rename(filepath.Join(n.root, "mesos", one), filepath.Join(n.root, "old")); err != nil {
		t.Fatal(err)
	}
	n.add(one)
	for k, text := range appliedTo(n, one) {
		n.put(k, text+"\n")
	}
	was := n.all()
	n.actor()
	n.expect(was, nil)
	if exists(n.journal) {
		t.Error("a journal is left")
	}
}

func TestAfterAReboot(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	n.actor().Apply(start, whole(victim(t, n.add(one))), nil)
	was := n.all()
	n.boot("4f0f6a3e-0000-4000-8000-000000000002")
	n.actor()
	n.expect(was, nil)
	if exists(n.journal) {
		t.Error("a journal of before the reboot is left")
	}
}

func TestUnreadableJournals(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	n.actor().Apply(start, whole(victim(t, key)), nil)
	good, err := os.ReadFile(n.journal)
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, text string) []byte {
		out := bytes.ReplaceAll(good, []byte(old), []byte(text))
		if bytes.Equal(out, good) {
			t.Fatalf("no %q in %s", old, good)
		}
		return out
	}
	was := n.all()
	for name, text := range map[string][]byte{
		"empty":            nil,
		"truncated":        good[:len(good)/2],
		"not JSON":         []byte("throttled: all\n"),
		"zeros":            make([]byte, 512),
		"older version":    change(`"version":1`, `"version":0`),
		"newer version":    change(`"version":1`, `"version":2`),
		"unknown field":    change(`"version":1`, `"version":1,"also":2`),
		"another file":     change(`"cpu.max"`, `"memory.max"`),
		"another layout":   change(`"file":"cpu.weight","before":"20","wrote":["1"]`, `"file":"cpu.shares","before":"20","wrote":["2"]`),
		"a path upwards":   change(one, "../../etc"),
		"a relative root":  change(`"root":"/`, `"root":"`),
		"a root elsewhere": change(`"root":"`+n.root, `"root":"/etc`),
		"a root above":     change(`"root":"`+n.root+`/mesos"`, `"root":"`+n.root+`"`),
		"no inode":         change(fmt.Sprintf(`"inode":%d,`, key.Inode), `"inode":0,`),
		// Undoing these would take something from the container.
		"a weight of the agent's": change(`"before":"20","wrote":["1"]`, `"before":"1","wrote":["20"]`),
		"a weight below":          change(`"before":"20","wrote":["1"]`, `"before":"1","wrote":["1"]`),
		"a quota of the agent's":  change(`"before":"max 100000","wrote":["49999 100000"]`, `"before":"1000 100000","wrote":["max 100000"]`),
		"a quota below":           change(`"before":"max 100000","wrote":["49999 100000"]`, `"before":"1001 100000","wrote":["49999 100000"]`),
		"a limit below":           change(`"before":"max","wrote":["3145728"]`, `"before":"4096","wrote":["max"]`),
		"a container to freeze":   change(`"before":"0","wrote":["1"]`, `"before":"1","wrote":["0"]`),
		"nothing written":         change(`"wrote":["1"]`, `"wrote":[]`),
		"a value of no sense":     change(`"before":"20"`, `"before":"20; rm"`),
		"two values, one good":    change(`"wrote":["1"]`, `"wrote":["1",""]`),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(n.journal, text, 0o600); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			cfg := n.config()
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			a := n.start(cfg)
			n.expect(was, nil)
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), ".unreadable") {
				t.Errorf("the log says %q", log.String())
			}
			if kept, err := os.ReadFile(n.journal + ".unreadable"); err != nil || !bytes.Equal(kept, text) {
				t.Errorf("%v, kept %q", err, kept)
			}
			if exists(n.journal) || len(a.known) != 0 {
				t.Errorf("journal: %v, known: %d", exists(n.journal), len(a.known))
			}
		})
	}
}

func TestWithoutJournalOnlyTheDyingAreBoosted(t *testing.T) {
	broken := func(n *node) *Actor {
		a := n.actor()
		n.lose(n.journal)
		return a
	}
	none := func(n *node) *Actor { return New(n.config()) }
	for name, actor := range map[string]func(*node) *Actor{"none": none, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			bothLayouts(t, func(t *testing.T, n *node) {
				key, other := n.add(one), n.add(two)
				was := n.all()
				a := actor(n)
				boosted := map[string]string{n.names(two)[weight]: "10240"}
				if n.v2 {
					boosted[n.names(two)[weight]] = "10000"
				}
				for range 2 {
					r := a.Apply(start, whole(victim(t, key)), []qos.Victim{victim(t, other)})
					n.expect(was, boosted)
					for k := range appliedTo(n, one) {
						for i, at := range n.names(one) {
							if s := setting(r, key, kind(i)); at == k && (s.Why != r.Journal || s.Value != "") {
								t.Errorf("%+v", s)
							}
						}
					}
					if (r.JournalErr != nil) != (name == "broken") {
						t.Error(r.JournalErr)
					}
				}
				if err := a.Close(); (err != nil) != (name == "broken") && err != nil {
					t.Error(err)
				}
				n.expect(was, nil)
			})
		})
	}
}

// A path that cannot be a journal's is said at once, not at the first throttle,
// and what is there stays.
func TestAnImpossibleJournalIsReportedAtOnce(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	n.journal = n.mkdir("../state/journal")
	a := n.actor()
	for range 2 {
		if r := a.Apply(start, qos.Actions{}, nil); r.Journal != JournalFailed || r.JournalErr == nil {
			t.Errorf("%+v", r)
		}
	}
	if s := setting(a.Apply(start, whole(victim(t, key)), nil), key, quota); s.Why != JournalFailed {
		t.Errorf("%+v", s)
	}
	n.expect(was, nil)
	if err := a.Close(); err == nil {
		t.Error("nothing was said when closing")
	}
	if info, err := os.Stat(n.journal); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
}

// Where a journal cannot be locked, what it says is undone all the same.
func TestAReadOnlyJournalIsObeyed(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	n.actor().Apply(start, whole(victim(t, key)), nil)
	cfg := n.config()
	why := errors.New("read-only file system")
	cfg.Journal = statefile.ReadOnly(n.journal, why)
	a := New(cfg)
	n.expect(was, nil)
	r := a.Apply(start, whole(victim(t, key)), nil)
	if r.Journal != JournalFailed || !errors.Is(r.JournalErr, why) {
		t.Errorf("%+v", r)
	}
	n.expect(was, nil)
}

// TestJournalRecovers: what could not be applied is, once the journal can be
// written again.
func TestJournalRecovers(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	a := n.actor()
	found := n.lose(n.journal)
	if s := setting(a.Apply(start, whole(victim(t, key)), nil), key, quota); s.Why != JournalFailed {
		t.Errorf("%+v", s)
	}
	found()
	a.Apply(start, whole(victim(t, key)), nil)
	n.expect(was, appliedTo(n, one))
	if err := a.Close(); err != nil || exists(n.journal) {
		t.Errorf("%v, journal: %v", err, exists(n.journal))
	}
	n.expect(was, nil)
}

// A journal that is not needed any more was not written for that.
func TestAnUnneededJournalIsNotSaidToRecover(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	var log bytes.Buffer
	cfg := n.config()
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := n.start(cfg)
	n.lose(n.journal)
	a.Apply(start, whole(victim(t, key)), nil)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "cannot be written") || strings.Contains(text, "can be written again") {
		t.Errorf("log:\n%s", text)
	}
}

// TestJournalText pins the format: another version reads what this one wrote.
func TestJournalText(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	a := n.actor()
	for _, cores := range []float64{0.5, 0.25} {
		a.Apply(start, qos.Actions{Throttles: []qos.Throttle{{Victim: victim(t, key), Cores: cores}}}, nil)
	}
	b, err := os.ReadFile(n.journal)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	e, ok := got["entries"].([]any)[0].(map[string]any)
	if !ok || len(got["entries"].([]any)) != 1 {
		t.Fatalf("%s", b)
	}
	root := filepath.Join(n.root, "mesos")
	for name, want := range map[string]any{
		"container": one, "inode": float64(key.Inode),
		"dir_inode": float64(n.inode("mesos/" + one + "/leaf")), "file": "cpu.max", "before": "max 100000",
		"since": start.Format(time.RFC3339),
	} {
		if e[name] != want {
			t.Errorf("%s is %v, want %v", name, e[name], want)
		}
	}
	// The quota before is named too, as long as it may be the one in the file.
	if w, ok := e["wrote"].([]any); !ok || len(w) != 2 || w[0] != "24999 100000" || w[1] != "49999 100000" {
		t.Errorf("wrote %v", e["wrote"])
	}
	if got["version"] != 1.0 || got["root"] != root || got["boot_id"] != "4f0f6a3e-0000-4000-8000-000000000001" {
		t.Errorf("%s", b)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot_id":"b","root":"/r","entries":[{"container":"c","inode":1,"dir_inode":2,"file":"cpu.weight","before":"20","wrote":["1"]}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(``))
	f.Add([]byte(`{"version":1,"entries":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseJournal(b)
		if err != nil {
			if !errors.Is(err, ErrJournal) {
				t.Errorf("%v is of no class", err)
			}
			return
		}
		for _, e := range d.Entries {
			if strings.Contains(e.ID, "/") || strings.Contains(e.File, "/") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A journal that somebody else may have written is not obeyed, whatever it says.
func TestUntrustedJournals(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	n.actor().Apply(start, whole(victim(t, n.add(one))), nil)
	good, err := os.ReadFile(n.journal)
	if err != nil {
		t.Fatal(err)
	}
	was := n.all()
	elsewhere := filepath.Join(filepath.Dir(n.journal), "elsewhere")
	for name, prepare := range map[string]func() error{
		"a link": func() error {
			return errors.Join(os.WriteFile(elsewhere, good, 0o600), os.Remove(n.journal), os.Symlink(elsewhere, n.journal))
		},
		"writable to others": func() error { return os.Chmod(n.journal, 0o666) },
		"another user's":     func() error { return os.Chown(n.journal, 65534, 65534) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(n.journal, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := prepare(); errors.Is(err, os.ErrPermission) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			cfg := n.config()
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			a := n.start(cfg)
			n.expect(was, nil)
			if !strings.Contains(log.String(), "level=ERROR") || exists(n.journal) || len(a.known) != 0 {
				t.Errorf("journal: %v, known: %d, the log says %q", exists(n.journal), len(a.known), log.String())
			}
			if kept, err := os.ReadFile(elsewhere); name == "a link" && (!bytes.Equal(kept, good) || err != nil) {
				t.Errorf("%v: what the link leads to became %q", err, kept)
			}
		})
	}
}
