package sim

import "slices"

// group is a task group that competes for the CPUs.
type group struct{ want, weight, got float64 }

// share hands size cores out by weight: whoever wants less than its fair share
// gets what it wants, and the rest is shared among the others.
func share(size float64, groups []group) {
	order := make([]*group, len(groups))
	weights := 0.0
	for i := range groups {
		order[i] = &groups[i]
		weights += groups[i].weight
	}
	slices.SortStableFunc(order, func(a, b *group) int {
		switch x, y := a.want/a.weight, b.want/b.weight; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, g := range order {
		g.got = min(g.want, size*g.weight/weights)
		size -= g.got
		weights -= g.weight
	}
}
