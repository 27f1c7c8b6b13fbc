package agentapi

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

func TestKillWaitsForItsWarning(t *testing.T) {
	for name, tc := range map[string]struct {
		warn  func(ctx context.Context)
		after time.Duration
	}{
		"that returns":          {func(context.Context) { time.Sleep(700 * time.Millisecond) }, 4700 * time.Millisecond},
		"that heeds its end":    {func(ctx context.Context) { <-ctx.Done() }, 6 * time.Second},
		"that hangs":            {func(context.Context) { time.Sleep(time.Hour) }, 6 * time.Second},
		"that panics":           {func(context.Context) { panic("no") }, 4 * time.Second},
		"that returns too late": {func(context.Context) { time.Sleep(3 * time.Second) }, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var warned []string
			cfg := DefaultConfig()
			warning := Warning{For: 2 * time.Second, Warn: func(ctx context.Context, v qos.Victim) {
				warned = append(warned, v.Key().ID)
				tc.warn(ctx)
			}}
			cfg.Warning = func() Warning { return warning }
			inBubbleWith(t, cfg, func(t *testing.T, b *bubble) {
				p := b.poll(t.Context(), bestEffort("x"))
				time.Sleep(4 * time.Second)
				b.kill("x")
				b.kill("x") // warned once
				if n := len(b.srv.InFlight()); n != 1 {
					t.Errorf("%d in flight during the warning, want 1", n)
				}
				b.want(p, tc.after, "x")
				time.Sleep(2 * time.Hour) // for what hangs to end
			})
			if !slices.Equal(warned, []string{"x"}) {
				t.Errorf("warned %q", warned)
			}
		})
	}
}

func TestWarningDoesNotLetAKillExpire(t *testing.T) {
	q := newQueue()
	if _, err := q.add(victimOf(t, "x", 1), noon, noon.Add(20*time.Second)); err != nil {
		t.Fatal(err)
	}
	u := report(noon, executor("x"))
	if got := q.take(noon.Add(19*time.Second), u, u); len(got.batch) != 0 {
		t.Error("handed over during its warning")
	}
	if at, ok := q.nextDue(); !ok || !at.Equal(noon.Add(20*time.Second)) {
		t.Errorf("due at %s, %t", at, ok)
	}
	if got := q.take(noon.Add(45*time.Second), u, u); len(got.batch) != 1 {
		t.Error("expired, although it waited for its warning")
	}
}

func TestWhoWasToldOfIsDying(t *testing.T) {
	var told []string
	cfg := DefaultConfig()
	cfg.HandedOver = func(v qos.Victim) { told = append(told, v.Key().ID) }
	inBubbleWith(t, cfg, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context(), bestEffort("x"), bestEffort("y"))
		time.Sleep(2 * time.Second)
		b.kill("x")
		if d := b.srv.Dying(); len(d) != 0 {
			t.Errorf("%d are dying before the agent knows", len(d))
		}
		b.want(p, 2*time.Second, "x")
		b.kill("y")
		if d := b.srv.Dying(); len(d) != 1 || d[0].Key().ID != "x" || !slices.Equal(told, []string{"x"}) {
			t.Errorf("dying %v, told %q; want x", d, told)
		}
		b.srv.Observe(onDisk(time.Now(), b.srv.Usage(), snapshot.Key{ID: "y", Inode: 1}))
		if d := b.srv.Dying(); len(d) != 0 {
			t.Errorf("%v is dying, although it is gone", d)
		}
	})
}

// A warning may be changed, and its time is bounded whatever it says.
func TestWarningIsThatOfTheMoment(t *testing.T) {
	var w Warning
	cfg := DefaultConfig()
	cfg.Warning = func() Warning { return w }
	inBubbleWith(t, cfg, func(t *testing.T, b *bubble) {
		p := b.poll(t.Context(), bestEffort("x"), bestEffort("y"))
		time.Sleep(time.Second)
		b.kill("x")
		b.want(p, time.Second, "x")
		w = Warning{For: time.Hour, Warn: func(ctx context.Context, _ qos.Victim) { <-ctx.Done() }}
		b.kill("y")
		for range 2 {
			b.want(b.poll(t.Context(), bestEffort("x"), bestEffort("y")), 10*time.Second)
		}
		b.want(b.poll(t.Context(), bestEffort("x"), bestEffort("y")), 10*time.Second, "x", "y")
	})
}
