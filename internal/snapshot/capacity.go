package snapshot

import "github.com/estimatord/estimatord/internal/enum"

// CapacityFrom says what bounds the processors that the agent's containers can
// use.
type CapacityFrom uint8

// What bounds the capacity. Where several do, it is the one that leaves least.
const (
	// CapacityUnknown: nobody has derived it (yet).
	CapacityUnknown CapacityFrom = iota
	// CapacityOnline: every online processor can be used.
	CapacityOnline
	// CapacityCPUSet: only the processors of a cpuset.
	CapacityCPUSet
	// CapacityQuota: CPU time is limited by the quota of a cgroup around the
	// containers.
	CapacityQuota
)

var capacityWords = enum.Words{"unknown", "online", "cpuset", "quota"}

// String is the word for f, as in logs and metric labels.
func (f CapacityFrom) String() string { return capacityWords.String(uint8(f)) }

// MarshalText is the word for f.
func (f CapacityFrom) MarshalText() ([]byte, error) { return capacityWords.Marshal(uint8(f)) }

// UnmarshalText reads the word for f.
func (f *CapacityFrom) UnmarshalText(text []byte) error {
	return enum.Unmarshal(capacityWords, text, f)
}

// Usable is how many processors can be used: UsableCPUs where it was derived,
// else all that are online. A capacity that could not be derived although it
// was tried is absent, with that reason: all processors would be a guess.
func (h *Host) Usable() Value {
	switch {
	case h.UsableCPUs.Why != NotRead:
		return h.UsableCPUs
	case !h.CPUs.OK():
		return Value{Why: h.CPUs.Why}
	}
	return ValueOf(float64(h.CPUs.N))
}

// MemoryFrom says what bounds the memory that the agent's containers can use.
type MemoryFrom uint8

// What bounds the memory. Where several limits do, it is the least.
const (
	// MemoryUnknown: nobody has derived it (yet).
	MemoryUnknown MemoryFrom = iota
	// MemoryMachine: all the memory there is.
	MemoryMachine
	// MemoryLimit: the limit of a cgroup around the containers.
	MemoryLimit
)

var memoryWords = enum.Words{"unknown", "machine", "limit"}

// NumMemoryFroms is how many values a MemoryFrom can have.
const NumMemoryFroms = int(MemoryLimit) + 1

// String is the word for f, as in logs and metric labels.
func (f MemoryFrom) String() string { return memoryWords.String(uint8(f)) }

// MarshalText is the word for f.
func (f MemoryFrom) MarshalText() ([]byte, error) { return memoryWords.Marshal(uint8(f)) }

// UnmarshalText reads the word for f.
func (f *MemoryFrom) UnmarshalText(text []byte) error { return enum.Unmarshal(memoryWords, text, f) }

// UsableMemory is how many bytes of memory can be used, and how many of them
// are available: those that were derived, else those of the machine. What could
// not be derived although it was tried is absent, with that reason: all of the
// machine would be a guess.
func (h *Host) UsableMemory() (total, available Count) {
	if h.UsableMemBytes.Why == NotRead {
		return h.MemTotalBytes, h.MemAvailableBytes
	}
	return h.UsableMemBytes, h.UsableMemAvailableBytes
}

// UsedMemory is how many bytes of the usable memory are in use, counted as the
// containers' UnreclaimableBytes are.
func (h *Host) UsedMemory() Count {
	if h.UsableMemUsedBytes.Why != NotRead {
		return h.UsableMemUsedBytes
	}
	total, available := h.UsableMemory()
	switch {
	case !total.OK():
		return total
	case !available.OK():
		return available
	}
	return CountOf(total.N - min(total.N, available.N))
}
