package snapshot

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

var capacityNames = [...]string{
	CapacityUnknown: "unknown", CapacityOnline: "online", CapacityCPUSet: "cpuset", CapacityQuota: "quota",
}

// String is the stable word for f, as in logs and metric labels.
func (f CapacityFrom) String() string {
	if int(f) < len(capacityNames) {
		return capacityNames[f]
	}
	return "invalid"
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
