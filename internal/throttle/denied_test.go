package throttle

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/qos"
)

// asOwner runs f with the rights to files that an owner has without root's
// power to override their modes (capabilities(7)). They are this thread's alone.
func asOwner(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all [2]unix.CapUserData
	if err := unix.Capget(&header, &all[0]); err != nil {
		t.Fatal(err)
	}
	fewer := all
	fewer[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &fewer[0]); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Capset(&header, &all[0]) }()
	f()
}

func chmod(t *testing.T, n *node, rel string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(n.root, rel), mode); err != nil {
		t.Fatal(err)
	}
}

func TestDenied(t *testing.T) {
	for name, mode := range map[string]os.FileMode{"to write": 0o444, "to read": 0o222} {
		t.Run(name, func(t *testing.T) {
			bothLayouts(t, func(t *testing.T, n *node) {
				key := n.add(one)
				weightAt := n.names(one)[weight]
				chmod(t, n, weightAt, mode)
				was := n.all()
				want := appliedTo(n, one)
				delete(want, weightAt)
				var a *Actor
				var r Report
				asOwner(t, func() {
					a = n.actor()
					r = a.Apply(start, whole(victim(t, key)), nil)
				})
				n.expect(was, want)
				if s := setting(r, key, weight); s.Why != Denied || s.Value != "" || !s.Since.IsZero() || r.Counters.Failed != 1 {
					t.Errorf("%+v, %+v", s, r.Counters)
				}
				if s := setting(r, key, quota); s.Why != Applied {
					t.Errorf("%+v", s)
				}
				// Once it is allowed, it is done.
				chmod(t, n, weightAt, 0o666)
				asOwner(t, func() { a.Apply(start, whole(victim(t, key)), nil) })
				n.expect(was, appliedTo(n, one))
				asOwner(t, func() {
					if err := a.Close(); err != nil {
						t.Error(err)
					}
				})
				n.expect(was, nil)
			})
		})
	}
}

// TestGivingBackDenied: it stays in the journal, for this process or the next.
func TestGivingBackDenied(t *testing.T) {
	bothLayouts(t, func(t *testing.T, n *node) {
		key := n.add(one)
		was := n.all()
		weightAt := n.names(one)[weight]
		left := map[string]string{weightAt: appliedTo(n, one)[weightAt]}
		asOwner(t, func() {
			a := n.actor()
			a.Apply(start, whole(victim(t, key)), nil)
			chmod(t, n, weightAt, 0o444)
			r := a.Apply(start, qos.Actions{}, nil)
			if s := setting(r, key, weight); s.Why != Denied || s.Wanted || s.Value != left[weightAt] {
				t.Errorf("%+v", s)
			}
			err := a.Close()
			if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), filepath.Join(n.root, weightAt)) || !strings.Contains(err.Error(), string(Denied)) {
				t.Errorf("Close: %v", err)
			}
			// The next one cannot either.
			next := n.actor()
			if r := next.Apply(start, qos.Actions{}, nil); setting(r, key, weight).Why != Denied {
				t.Errorf("%+v", r.Containers)
			}
		})
		n.expect(was, left)
		if !exists(n.journal) {
			t.Fatal("the journal is gone")
		}
		chmod(t, n, weightAt, 0o666)
		n.actor()
		n.expect(was, nil)
	})
}
