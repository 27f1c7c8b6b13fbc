package throttle

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		if want := uint64(len(inForce(n, one)) + 1); r.Counters.Restored != want {
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
	for k, text := range inForce(n, one) {
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
		"empty":                nil,
		"truncated":            good[:len(good)/2],
		"not JSON":             []byte("throttled: all\n"),
		"zeros":                make([]byte, 512),
		"older version":        change(`"version":1`, `"version":0`),
		"newer version":        change(`"version":1`, `"version":2`),
		"unknown field":        change(`"version":1`, `"version":1,"also":2`),
		"another file":         change(`"cpu.max"`, `"memory.max"`),
		"another layout":       change(`"file":"cpu.weight","before":"20"`, `"file":"cpu.shares","before":"20"`),
		"a path upwards":       change(one, "../../etc"),
		"a relative root":      change(`"root":"/`, `"root":"`),
		"a root elsewhere":     change(`"root":"`+n.root, `"root":"/etc`),
		"nothing written":      change(`"wrote":["1"]`, `"wrote":[]`),
		"a value of no sense":  change(`"before":"20"`, `"before":"20; rm"`),
		"two values, one good": change(`"wrote":["1"]`, `"wrote":["1",""]`),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(n.journal, text, 0o600); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			cfg := n.config()
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			a := New(cfg)
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
	broken := func(n *node) Config {
		cfg := n.config()
		cfg.JournalPath = filepath.Join(n.root, "none", "journal")
		return cfg
	}
	none := func(n *node) Config {
		cfg := n.config()
		cfg.JournalPath = ""
		return cfg
	}
	for name, config := range map[string]func(*node) Config{"none": none, "broken": broken} {
		t.Run(name, func(t *testing.T) {
			bothLayouts(t, func(t *testing.T, n *node) {
				key, other := n.add(one), n.add(two)
				was := n.all()
				a := New(config(n))
				boosted := map[string]string{n.names(two)[weight]: "10240"}
				if n.v2 {
					boosted[n.names(two)[weight]] = "10000"
				}
				for range 2 {
					r := a.Apply(start, whole(victim(t, key)), []qos.Victim{victim(t, other)})
					n.expect(was, boosted)
					for k := range inForce(n, one) {
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

// TestJournalRecovers: what could not be applied is, once the journal can be
// written again.
func TestJournalRecovers(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	was := n.all()
	cfg := n.config()
	dir := filepath.Join(filepath.Dir(n.journal), "state")
	cfg.JournalPath = filepath.Join(dir, "journal")
	a := New(cfg)
	if s := setting(a.Apply(start, whole(victim(t, key)), nil), key, quota); s.Why != JournalFailed {
		t.Errorf("%+v", s)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a.Apply(start, whole(victim(t, key)), nil)
	n.expect(was, inForce(n, one))
	if err := a.Close(); err != nil || exists(cfg.JournalPath) {
		t.Errorf("%v, journal: %v", err, exists(cfg.JournalPath))
	}
	n.expect(was, nil)
}

// A journal that is not needed any more was not written for that.
func TestAnUnneededJournalIsNotSaidToRecover(t *testing.T) {
	n := newNode(t, t.TempDir(), true)
	key := n.add(one)
	var log bytes.Buffer
	cfg := n.config()
	cfg.JournalPath = filepath.Join(n.root, "none", "journal")
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := New(cfg)
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
		"container": one, "inode": float64(key.Inode), "identity": root, "root": root, "leaf": true,
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
	if got["version"] != 1.0 || got["boot_id"] != "4f0f6a3e-0000-4000-8000-000000000001" {
		t.Errorf("%s", b)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot_id":"b","entries":[{"container":"c","inode":1,"identity":"/r","root":"/r","dir_inode":2,"file":"cpu.weight","before":"20","wrote":["1"]}]}`))
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
			if strings.Contains(e.ID, "/") || !filepath.IsAbs(e.Root) || strings.Contains(e.File, "/") {
				t.Errorf("%+v", e)
			}
		}
	})
}
