package unixsocket

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestStartTime(t *testing.T) {
	const tail = " S 1 4242 4242 0 -1 4194560 9130 0 12 0 90 35 0 0 20 0 9 0 5177 1293312 1200 18446744073709551615"
	for name, tc := range map[string]struct {
		stat string
		want uint64
		ok   bool
	}{
		"plain":                 {"4242 (mesos-agent)" + tail, 5177, true},
		"spaces in the name":    {"4242 (a b c d)" + tail, 5177, true},
		"parentheses":           {"4242 (a) R 1 (b)" + tail, 5177, true},
		"a name like a stat":    {"4242 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99)" + tail, 5177, true},
		"empty":                 {"", 0, false},
		"no parentheses":        {"4242 mesos-agent" + tail, 0, false},
		"cut":                   {"4242 (mesos-agent) S 1 4242", 0, false},
		"one field short":       {"1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", 0, false},
		"start is not a number": {"1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := startTime([]byte(tc.stat)); got != tc.want || ok != tc.ok {
				t.Errorf("startTime = %d, %t, want %d, %t", got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestProcessIDOfThisProcessIsStable(t *testing.T) {
	pid := int32(os.Getpid())
	a, b := processID("/proc", pid), processID("/proc", pid)
	if a != b || strings.HasSuffix(a, "?") || !strings.HasPrefix(a, fmt.Sprintf("pid:%d@", pid)) {
		t.Errorf("%q, %q", a, b)
	}
	if got := processID(t.TempDir(), 7); got != "pid:7@?" {
		t.Errorf("a process nobody can see: %q", got)
	}
}

// Whatever a process calls itself, and whatever garbage the file holds.
func FuzzStartTime(f *testing.F) {
	f.Add("mesos-agent", uint64(5177), []byte("4242 (x) S 1 4242 4242"))
	f.Add("a) S 1 (b", uint64(0), []byte(")"))
	f.Fuzz(func(t *testing.T, comm string, want uint64, garbage []byte) {
		stat := fmt.Sprintf("1 (%s) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %d 0 0", comm, want)
		if got, ok := startTime([]byte(stat)); got != want || !ok {
			t.Errorf("%q: %d, %t, want %d", stat, got, ok, want)
		}
		if ticks, ok := startTime(garbage); !ok && ticks != 0 {
			t.Errorf("%q: %d without ok", garbage, ticks)
		}
	})
}
