package snapshot

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

// NumMemoryFroms is how many values a MemoryFrom can have.
const NumMemoryFroms = len(memoryNames)

var memoryNames = [...]string{MemoryUnknown: "unknown", MemoryMachine: "machine", MemoryLimit: "limit"}

// String is the stable word for f, as in logs and metric labels.
func (f MemoryFrom) String() string {
	if int(f) < len(memoryNames) {
		return memoryNames[f]
	}
	return "invalid"
}

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
