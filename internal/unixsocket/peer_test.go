package unixsocket

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProcessID(t *testing.T) {
	const tail = " S 1 4242 4242 0 -1 4194560 9130 0 12 0 90 35 0 0 20 0 9 0 5177 1293312 1200 18446744073709551615" +
		" 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	for name, tc := range map[string]struct{ stat, want string }{
		"plain":                 {"4242 (mesos-agent)" + tail, "5177"},
		"spaces in the name":    {"4242 (a b c d)" + tail, "5177"},
		"parentheses":           {"4242 (a) R 1 (b)" + tail, "5177"},
		"a name like a stat":    {"4242 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99)" + tail, "5177"},
		"empty":                 {"", "?"},
		"no parentheses":        {"4242 mesos-agent" + tail, "?"},
		"cut":                   {"4242 (mesos-agent) S 1 4242", "?"},
		"one field short":       {"1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", "?"},
		"start is not a number": {"1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", "?"},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			if err := errors.Join(
				os.Mkdir(filepath.Join(proc, "4242"), 0o700),
				os.WriteFile(filepath.Join(proc, "4242", "stat"), []byte(tc.stat), 0o600),
			); err != nil {
				t.Fatal(err)
			}
			if got, want := processID(proc, 4242), "pid:4242@"+tc.want; got != want {
				t.Errorf("%q, want %q", got, want)
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
