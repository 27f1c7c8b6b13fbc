package signal

import (
	"fmt"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// Reservation is how much revocable containers use of what its owner has allocated
// since it was offered.
const Reservation policy.Signal = "reservation"

// reservation is, for CPUs,
//
//	value     = min(owed, revocable use) / CPUs
//	shortfall = max(0, revocable use − (revocable allocated − owed))
//
// with owed what owners have allocated of their reservations while it was allocated
// as revocable, as the last offer has counted it (estimator.AllocationOffer). It is
// 0 in modes that offer no reservation. What is owed stays so until revocable
// containers have gone, or the owner has.
var reservation = Signal{
	Spec: policy.Spec{
		Name:     Reservation,
		Brief:    "CPU that revocable containers use of reservations whose owners have allocated them since, as a share of the node's CPUs (the agent's report, and use of each revocable container).",
		Resource: policy.CPU,
		Unit:     policy.Share,
		Most:     1,
		Default: policy.Rule{
			Signal: Reservation,
			// A thousandth of a node is what idle executors use.
			Above: 0.001,
			Clear: 0.5,
			// A second rule throttles at once; what is left after that long is not
			// going by itself.
			For:    5 * time.Second,
			Settle: 5 * time.Second,
			Action: policy.Kill,
		},
	},
	Protects: true,
	measure:  measureReservation,
	Sentence: func(m *Reading) string {
		return fmt.Sprintf("revocable containers use %.2f CPUs, %.2f of what they have are their owners' again", m.Used, m.Total)
	},
}

func measureReservation(v *View, _ *policy.Rule) Reading {
	p := v.promise()
	if p == nil {
		return unknown(snapshot.NotRead, "the last offer")
	}
	cpus, why := v.UsableCPUs()
	if why != snapshot.Present {
		return unknown(why, "the number of CPUs")
	}
	owed, used := p.Owed.Float(), v.RevocableCores
	allocated := v.Snapshot.Usage.Revocable().Get(p.Resource).Float()
	return Reading{
		Value: snapshot.ValueOf(max(0, min(owed, used)) / cpus), Used: used, Total: owed,
		Shortfall: snapshot.ValueOf(max(0, min(used, used-(allocated-owed)))),
	}
}

// WithReservation is p with rules that give back what owners of reservations have
// allocated: one throttles at once, one kills. A policy that judges by the signal has
// its own.
func WithReservation(p *policy.Policy) (*policy.Policy, error) {
	if slices.ContainsFunc(p.Rules, func(r policy.Rule) bool { return r.Signal == Reservation }) {
		return p, nil
	}
	throttle, kill := reservation.Rule(), reservation.Rule()
	throttle.Name, throttle.Action, throttle.For, throttle.Settle = "reservation_throttle", policy.Throttle, 0, time.Second
	kill.Name = "reservation_kill"
	throttle.Immediate, kill.Immediate = true, true
	with := *p
	with.Rules = append(slices.Clone(p.Rules), throttle, kill)
	return &with, with.Validate(Specs())
}
