package agentapi

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/qos"
)

// An agent without a QoS module only makes Estimate calls.
func TestKillsAreHandedOverToSomebodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		var handed []string
		refuse := errors.New("no")
		hand := func(v qos.Victim) error {
			handed = append(handed, v.Key().ID)
			return refuse
		}
		b.estimate(bestEffort("x"), bestEffort("y"))
		b.srv.HandOver(hand)
		b.kill("x")
		b.srv.HandOver(hand)
		if len(b.srv.Dying()) != 0 || len(b.srv.InFlight()) != 1 {
			t.Errorf("refused: %d are dying, %d in flight; want 0, 1", len(b.srv.Dying()), len(b.srv.InFlight()))
		}
		refuse = nil
		b.srv.HandOver(hand)
		b.srv.HandOver(hand) // it is under way
		if d := b.srv.Dying(); len(d) != 1 || !slices.Equal(handed, []string{"x", "x"}) {
			t.Errorf("dying %v, handed over %q", d, handed)
		}

		// A regular task came to the executor since: it is let go.
		b.kill("y")
		b.estimate(bestEffort("x"))
		b.srv.HandOver(hand)
		if !slices.Equal(handed, []string{"x", "x"}) || b.srv.Status().Kills.Dropped != 1 {
			t.Errorf("handed over %q, dropped %d", handed, b.srv.Status().Kills.Dropped)
		}

		// While a Corrections call waits, kills go there.
		p := b.poll(t.Context(), bestEffort("x"), bestEffort("y"))
		time.Sleep(2 * time.Second)
		b.kill("y")
		b.srv.HandOver(hand)
		b.want(p, 2*time.Second, "y")
		if !slices.Equal(handed, []string{"x", "x"}) {
			t.Errorf("handed over %q beside a call", handed)
		}
	})
}
