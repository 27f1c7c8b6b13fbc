package qos

// Throttle limits one container for as long as it stands in a Decision: who
// carries it out asserts it again at each tick and undoes it when it is gone
// from there. Its Victim says that the container may be touched at all.
type Throttle struct {
	Victim Victim `json:"victim"`
	// Cores is the most CPU it may use, in cores, above 0; 0: no limit of CPU.
	// It applies on top of what the agent set, never above it. Where the agent
	// owns the quota (cgroup v1 with --cgroups_enable_cfs), it cannot be
	// applied, and LowWeight has to do.
	Cores float64 `json:"cores,omitzero"`
	// LowWeight: its share of contended CPUs is the least that the kernel knows.
	LowWeight bool `json:"low_weight,omitzero"`
	// MemoryHighBytes is the memory use above which the kernel reclaims from it
	// and slows it (memory.high, cgroup v2 only); 0: no limit.
	MemoryHighBytes uint64 `json:"memory_high_bytes,omitzero"`
}

// Actions is all that a Decision wants to be in force from now on, kills
// apart. What is in force and not in it is undone.
type Actions struct {
	Throttles []Throttle `json:"throttles,omitempty"`
	// Freezes are stopped whole, without losing their memory.
	Freezes []Victim `json:"freezes,omitempty"`
}
