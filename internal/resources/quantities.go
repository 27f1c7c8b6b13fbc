package resources

import (
	"slices"
	"strings"
)

// Names of the resources that estimatord estimates. Mesos counts cpus in
// cores and mem in MB of 2^20 bytes.
const (
	CPUs = "cpus"
	Mem  = "mem"
)

// MemUnitBytes is one unit of mem: Mesos "MB" are 2^20 bytes
// (stout/bytes.hpp, Megabytes).
const MemUnitBytes = 1 << 20

// Quantity is an amount of one named scalar resource.
type Quantity struct {
	Name   string
	Amount Milli
}

// Quantities are amounts of scalar resources, at most one per name, sorted by
// name; an absent name counts as zero. The zero value is ready to use. Add and
// Set work in place: Clone first what is shared.
type Quantities []Quantity

// Get returns the amount of name, zero when it is absent.
func (q Quantities) Get(name string) Milli {
	for i := range q {
		if q[i].Name == name {
			return q[i].Amount
		}
	}
	return 0
}

// Set gives name the amount, keeping the order.
func (q *Quantities) Set(name string, amount Milli) {
	i, found := slices.BinarySearchFunc(*q, name, func(e Quantity, n string) int { return strings.Compare(e.Name, n) })
	if found {
		(*q)[i].Amount = amount
		return
	}
	*q = slices.Insert(*q, i, Quantity{Name: name, Amount: amount})
}

// Add adds the amount to name; a sum out of range stays at its end.
func (q *Quantities) Add(name string, amount Milli) { q.Set(name, q.Get(name).Plus(amount)) }

// AddAll adds every amount of o.
func (q *Quantities) AddAll(o Quantities) {
	for _, e := range o {
		q.Add(e.Name, e.Amount)
	}
}

// Minus returns q − o, where an amount never falls below zero: the agent's own
// subtraction drops a scalar that is taken away more than wholly
// (src/common/resources.cpp, Resources::subtract). Names only in o are
// ignored.
func (q Quantities) Minus(o Quantities) Quantities {
	out := make(Quantities, 0, len(q))
	for _, e := range q {
		e.Amount = max(0, e.Amount.Plus(-o.Get(e.Name)))
		out = append(out, e)
	}
	return out
}

// Clone returns a copy that shares nothing with q.
func (q Quantities) Clone() Quantities { return slices.Clone(q) }

// IsZero reports whether every amount is zero.
func (q Quantities) IsZero() bool {
	for i := range q {
		if q[i].Amount != 0 {
			return false
		}
	}
	return true
}

// String is the Mesos resource text of the amounts above zero, in order of
// name: "cpus:1.5;mem:512", and "" when there are none. This is the text the
// agent's Resources::parse reads.
func (q Quantities) String() string {
	var b []byte
	for _, e := range q {
		if e.Amount <= 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = append(b, e.Name...)
		b = append(b, ':')
		b = e.Amount.Append(b)
	}
	return string(b)
}
