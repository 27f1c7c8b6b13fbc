package predict

import (
	"encoding/json"
	"fmt"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// PerContainer keeps one S for each container that is present, in the order of the
// step. A container that leaves takes its S with it, one that joins starts
// with a zero S. As long as nobody joins or leaves, Match is one comparison per
// container and allocates nothing; states never move but when their slice grows.
type PerContainer[S any] struct {
	keys, spareKeys   []snapshot.Key
	slots, spareSlots []int32
	states            []S
	free              []int32
}

// Members are the states of a step's containers, valid until the next Match.
type Members[S any] struct {
	slots  []int32
	states []S
}

// Of is the state of the step's container i.
func (m Members[S]) Of(i int) *S { return &m.states[m.slots[i]] }

// Match makes r hold exactly the containers, which are sorted by key.
func (r *PerContainer[S]) Match(containers []Sample) Members[S] {
	same := len(r.keys) == len(containers)
	for i := 0; same && i < len(containers); i++ {
		same = r.keys[i] == containers[i].Key
	}
	if !same {
		r.merge(containers)
	}
	return Members[S]{slots: r.slots, states: r.states}
}

func (r *PerContainer[S]) merge(containers []Sample) {
	keys, slots := r.spareKeys[:0], r.spareSlots[:0]
	old := 0
	for i := range containers {
		key := containers[i].Key
		for old < len(r.keys) && r.keys[old].Compare(key) < 0 {
			r.free = append(r.free, r.slots[old])
			old++
		}
		if old < len(r.keys) && r.keys[old] == key {
			slots = append(slots, r.slots[old])
			old++
		} else {
			slots = append(slots, r.take())
		}
		keys = append(keys, key)
	}
	r.free = append(r.free, r.slots[old:]...)
	r.keys, r.spareKeys = keys, r.keys
	r.slots, r.spareSlots = slots, r.slots
	clear(r.spareKeys) // do not keep the ids of containers that are gone
}

// take is an unused place, zeroed.
func (r *PerContainer[S]) take() int32 {
	var zero S
	if n := len(r.free); n > 0 {
		slot := r.free[n-1]
		r.free = r.free[:n-1]
		r.states[slot] = zero
		return slot
	}
	r.states = append(r.states, zero)
	return int32(len(r.states) - 1) //nolint:gosec // a node has no 2^31 containers
}

// kept is one container and its state in JSON.
type kept[S any] struct {
	snapshot.Key
	State *S `json:"state"`
}

// MarshalJSON writes the containers with their states.
func (r *PerContainer[S]) MarshalJSON() ([]byte, error) {
	all := make([]kept[S], len(r.keys))
	for i, key := range r.keys {
		all[i] = kept[S]{key, &r.states[r.slots[i]]}
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *PerContainer[S]) UnmarshalJSON(text []byte) error {
	var all []kept[S]
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*r = PerContainer[S]{}
	for i, k := range all {
		if i > 0 && all[i-1].Compare(k.Key) >= 0 || k.State == nil {
			return fmt.Errorf("container %q is out of order or without a state", k.ID)
		}
		r.keys, r.states = append(r.keys, k.Key), append(r.states, *k.State)
		r.slots = append(r.slots, int32(i)) //nolint:gosec // a node has no 2^31 containers
	}
	return nil
}
