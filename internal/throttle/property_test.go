package throttle

import (
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// TestAnySequence: whatever is asked for, whatever the agent writes meanwhile
// and whenever the daemon is killed, in the end each file holds the last value
// that the agent wrote, or that of the beginning, and nothing but the files of
// the victims' kinds was ever changed.
func TestAnySequence(t *testing.T) {
	for name, v2 := range map[string]bool{"v1": false, "v2": true} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { sequence(t, v2) }) })
	}
}

func sequence(t *rapid.T, v2 bool) {
	dir, err := os.MkdirTemp("", "throttle")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	n := newNode(t, dir, v2)
	const victims = 2
	ids := []string{one, two, "regular"}
	var keys []snapshot.Key
	for _, id := range ids {
		keys = append(keys, n.add(id))
	}
	last := n.all()
	mine := map[string]bool{}
	for _, id := range ids[:victims] {
		for _, name := range n.names(id) {
			mine[name] = true
		}
	}
	a := n.actor()
	now := start
	chosen := func(label string) []qos.Victim {
		var out []qos.Victim
		for i := range victims {
			if rapid.Bool().Draw(t, label) {
				out = append(out, victim(t, keys[i]))
			}
		}
		return out
	}
	t.Repeat(map[string]func(*rapid.T){
		"apply": func(t *rapid.T) {
			var actions qos.Actions
			for _, v := range chosen("throttle") {
				actions.Throttles = append(actions.Throttles, qos.Throttle{
					Victim:          v,
					Cores:           rapid.SampledFrom([]float64{0, 0.0001, 0.3, 0.5, 7, 1e300}).Draw(t, "cores"),
					LowWeight:       rapid.Bool().Draw(t, "low"),
					MemoryHighBytes: rapid.SampledFrom([]uint64{0, 1, 5 << 20, 1 << 62}).Draw(t, "memory"),
				})
			}
			actions.Freezes = chosen("freeze")
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			a.Apply(now, actions, chosen("dying"))
		},
		"boost": func(t *rapid.T) {
			for _, v := range chosen("boost") {
				a.Boost(now, v)
			}
		},
		"agent": func(t *rapid.T) {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			names := n.names(id)
			// Quotas are multiples of 100 µs, as an agent's are.
			name := names[weight]
			text := strconv.Itoa(rapid.IntRange(11, 40).Draw(t, "weight"))
			switch {
			case !v2 && rapid.Bool().Draw(t, "quota"):
				name = names[quota]
				text = rapid.SampledFrom([]string{"-1", "1000", "50000", "30000"}).Draw(t, "value")
			case rapid.IntRange(0, 3).Draw(t, "thaw") == 0:
				name, text = names[freeze], "0"
				if !v2 {
					text = "THAWED"
				}
			}
			n.put(name, text+"\n")
			last[name] = text
		},
		"kill": func(*rapid.T) { a = n.actor() },
		"": func(t *rapid.T) {
			for name, text := range n.all() {
				if !mine[name] && text != last[name] {
					t.Fatalf("%s holds %q, want %q", name, text, last[name])
				}
				// Nothing of ours goes without being in the journal.
				if text != last[name] && !exists(n.journal) {
					t.Fatalf("%s holds %q without a journal", name, text)
				}
			}
		},
	})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	n.expect(last, nil)
	if exists(n.journal) {
		t.Fatal("a journal is left")
	}
}
