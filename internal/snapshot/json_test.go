package snapshot_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// word is an enumeration of this package.
type word interface {
	encoding.TextMarshaler
	fmt.Stringer
}

// TestWords checks that each value of an enumeration has a word of its own, that
// it is read back from that word, and that nothing else is.
func TestWords(t *testing.T) {
	var (
		absence  snapshot.Absence
		capacity snapshot.CapacityFrom
		class    snapshot.Class
		memory   snapshot.MemoryFrom
		state    snapshot.ContentionState
		why      snapshot.ContentionWhy
	)
	for _, to := range []struct {
		n    int
		into encoding.TextUnmarshaler
	}{
		{snapshot.NumAbsences, &absence},
		{int(snapshot.CapacityQuota) + 1, &capacity},
		{int(snapshot.ClassShared) + 1, &class},
		{snapshot.NumMemoryFroms, &memory},
		{snapshot.NumContentionStates, &state},
		{snapshot.NumContentionWhys, &why},
	} {
		value := reflect.ValueOf(to.into).Elem()
		seen := map[string]bool{}
		for i := range to.n {
			value.SetUint(uint64(i))
			w, ok := value.Interface().(word)
			if !ok {
				t.Fatalf("%T writes no word", value.Interface())
			}
			text, err := w.MarshalText()
			if err != nil || string(text) != w.String() || seen[string(text)] {
				t.Errorf("%T %d: %q, %q, %v", w, i, text, w.String(), err)
			}
			seen[string(text)] = true
			value.SetUint(0)
			if err := to.into.UnmarshalText(text); err != nil || value.Uint() != uint64(i) {
				t.Errorf("%T: %q is read as %d, %v; want %d", w, text, value.Uint(), err, i)
			}
		}
		value.SetUint(uint64(to.n))
		if w, ok := value.Interface().(word); ok {
			if text, err := w.MarshalText(); err == nil || w.String() != "invalid" {
				t.Errorf("%T %d: %q, %q; want an error and \"invalid\"", w, to.n, text, w.String())
			}
		}
		if err := to.into.UnmarshalText([]byte("no such word")); err == nil {
			t.Errorf("%T: an unknown word is read as %d", to.into, value.Uint())
		}
	}
}

// TestReadingsInJSON checks that a reading is its number, or the reason why
// there is none, and nothing where it was not read.
func TestReadingsInJSON(t *testing.T) {
	h := snapshot.Host{
		At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), CPUs: snapshot.CountOf(4),
		UsableCPUs: snapshot.ValueOf(2.5), CapacityFrom: snapshot.CapacityQuota,
		BusyCores: snapshot.Value{Why: snapshot.Impossible}, MemTotalBytes: snapshot.CountOf(1<<64 - 1),
		MemAvailableBytes: snapshot.Count{Why: snapshot.NoKey}, MemoryFrom: snapshot.MemoryMachine,
		Pressure: snapshot.Pressure{CPUSome: snapshot.ValueOf(0)},
	}
	const want = `{"at":"2026-01-02T03:04:05.000000006Z","online_cpus":4,"usable_cores":2.5,"capacity_from":"quota",` +
		`"busy_cores":"impossible","mem_total_bytes":18446744073709551615,"mem_available_bytes":"no_key",` +
		`"memory_from":"machine","pressure":{"cpu_some_share":0}}`
	text, err := json.Marshal(h)
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	var back snapshot.Host
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h, back); d != "" {
		t.Errorf("read back (-wrote +read):\n%s", d)
	}
	null := snapshot.CountOf(1)
	if err := json.Unmarshal([]byte("null"), &null); err != nil || null != (snapshot.Count{}) {
		t.Errorf("null is read as %v, %v; want it absent", null, err)
	}
	for _, bad := range []string{`"nonsense"`, `true`, `{}`, `[1]`, `"4"`, `-1`} {
		var c snapshot.Count
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s is read as %v", bad, c)
		}
	}
}
