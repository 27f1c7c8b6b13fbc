package peak

import (
	"cmp"

	"github.com/estimatord/estimatord/snapshot"
)

// roster keeps one S for each container that is present, in the order of the
// step. A container that leaves takes its S with it, one that joins starts
// with a zero S. As long as nobody joins or leaves, match is one comparison per
// container and allocates nothing.
type roster[S any] struct {
	keys, spareKeys     []snapshot.Key
	states, spareStates []S
}

// match makes the roster hold exactly the containers of v and returns their
// states, index by index. It calls left, unless nil, for the state of each one
// that is gone. The slice is valid until the next call.
func (r *roster[S]) match(containers []sample, left func(*S)) []S {
	if r.same(containers) {
		return r.states
	}
	keys, states := r.spareKeys[:0], r.spareStates[:0]
	old := 0
	for i := range containers {
		key := containers[i].Key
		for old < len(r.keys) && compareKeys(r.keys[old], key) < 0 {
			if left != nil {
				left(&r.states[old])
			}
			old++
		}
		var s S
		if old < len(r.keys) && r.keys[old] == key {
			s = r.states[old]
			old++
		}
		keys, states = append(keys, key), append(states, s)
	}
	for ; old < len(r.keys); old++ {
		if left != nil {
			left(&r.states[old])
		}
	}
	r.keys, r.spareKeys = keys, r.keys
	r.states, r.spareStates = states, r.states
	clear(r.spareKeys) // do not keep the ids of containers that are gone
	return r.states
}

func (r *roster[S]) same(containers []sample) bool {
	if len(r.keys) != len(containers) {
		return false
	}
	for i := range containers {
		if r.keys[i] != containers[i].Key {
			return false
		}
	}
	return true
}

func compareKeys(a, b snapshot.Key) int {
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return cmp.Compare(a.Inode, b.Inode)
}
