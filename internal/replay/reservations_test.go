package replay

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// reservationScore replays rows by the daemon's defaults.
func reservationScore(t *testing.T, rows []ReservationRow, notice time.Duration, giveBack bool) ReservationScore {
	t.Helper()
	p := policy.DefaultPolicy()
	o := ReservationOptions{Config: allocationConfig(rows, 5*time.Minute, 0), Notice: notice, Length: 10 * time.Minute}
	if giveBack {
		var err error
		if o.Policy, err = signal.WithReservation(&p); err != nil {
			t.Fatal(err)
		}
	}
	s, err := EvaluateReservations(rows, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Owners that are noticed at once wait for less than a second, each time; without
// the rule they wait, on what is offered all the same.
func TestReservationsAreGivenBack(t *testing.T) {
	s := Synthetic{Seed: 3, Roles: 4, Cores: 16, For: 4 * time.Hour, Here: 20 * time.Minute, Away: time.Hour}
	rows := s.Rows()
	if !reflect.DeepEqual(rows, s.Rows()) {
		t.Fatal("the same seed makes another history")
	}
	with, without := reservationScore(t, rows, 100*time.Millisecond, true), reservationScore(t, rows, 100*time.Millisecond, false)
	if with.Launches < 5 || with.Started < 20 || with.OfferedShare < 0.3 || with.OfferedShare > 1 || with.UsedShare > 1 {
		t.Errorf("nothing much happened: %+v", with)
	}
	if with.Violations > 0 || with.MaxWaitSeconds > 1.2 || with.Kills == 0 {
		t.Errorf("with the rule: %+v", with)
	}
	if without.Violations == 0 || without.Kills > 0 {
		t.Errorf("without it: %+v", without)
	}
}

func TestReservationHistory(t *testing.T) {
	rows := (&Synthetic{Seed: 1, Roles: 3, Cores: 10, For: time.Hour, Here: time.Minute, Away: time.Minute}).Rows()
	var text bytes.Buffer
	if err := WriteReservations(&text, rows); err != nil {
		t.Fatal(err)
	}
	again, err := ReadReservations(&text)
	if err != nil || !reflect.DeepEqual(again, rows) {
		t.Errorf("%d rows of %d read again, %v", len(again), len(rows), err)
	}
	sum := 0.0
	for _, r := range rows[:3] {
		sum += r.Reserved
	}
	if sum > 10 || sum < 9.99 || rows[0].Reserved < 1.9*rows[1].Reserved {
		t.Errorf("reserved %+v", rows[:3])
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":     {"", "no rows"},
		"no row":    {ReservationHeader + "\n", "no rows"},
		"header":    {"a,b,c,d\n", "line 1: the header"},
		"number":    {ReservationHeader + "\n0,r,x,0\n", "line 2"},
		"more":      {ReservationHeader + "\n0,r,1,2\n", "line 2: 2 cores allocated of 1 reserved"},
		"not a one": {ReservationHeader + "\n0,r,NaN,0\n", "line 2"},
		"infinite":  {ReservationHeader + "\n0,r,+Inf,0\n", "line 2"},
		"negative":  {ReservationHeader + "\n0,r,1,-1\n", "line 2"},
		"role":      {ReservationHeader + "\n0,a b,1,0\n", "whitespace"},
		"order":     {ReservationHeader + "\n5,r,1,0\n4,r,1,1\n", "line 3: second 4 comes after 5"},
		"columns":   {ReservationHeader + "\n5,r,1\n", "wrong number of fields"},
	} {
		if _, err := ReadReservations(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
