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

// asNobody runs f with the rights of nobody to files, which this thread alone
// has meanwhile (setfsuid(2)).
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }()
	}
	f()
}

// openTo lets nobody write all of a copied tree and its journal.
func openTo(t *testing.T, n *node) {
	t.Helper()
	dir := filepath.Dir(n.root)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for rel := range n.all() {
		chmod(t, n, rel, 0o666)
	}
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
				openTo(t, n)
				weightAt := n.names(one)[weight]
				chmod(t, n, weightAt, mode)
				was := n.all()
				want := inForce(n, one)
				delete(want, weightAt)
				var a *Actor
				var r Report
				asNobody(t, func() {
					a = n.actor()
					r = a.Apply(start, whole(victim(t, key)), nil)
				})
				n.expect(was, want)
				if s := setting(r, key, weight); s.Why != Denied || s.Value != "" || !s.Since.IsZero() || r.Counters.Failed != 1 {
					t.Errorf("%+v, %+v", s, r.Counters)
				}
				if s := setting(r, key, quota); s.Why != InForce {
					t.Errorf("%+v", s)
				}
				// Once it is allowed, it is done.
				chmod(t, n, weightAt, 0o666)
				asNobody(t, func() { a.Apply(start, whole(victim(t, key)), nil) })
				n.expect(was, inForce(n, one))
				asNobody(t, func() {
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
		openTo(t, n)
		was := n.all()
		weightAt := n.names(one)[weight]
		left := map[string]string{weightAt: inForce(n, one)[weightAt]}
		asNobody(t, func() {
			a := n.actor()
			a.Apply(start, whole(victim(t, key)), nil)
			chmodErr := unix.Setfsuid(os.Geteuid())
			chmod(t, n, weightAt, 0o444)
			if err := errors.Join(chmodErr, unix.Setfsuid(65534)); err != nil {
				t.Fatal(err)
			}
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
