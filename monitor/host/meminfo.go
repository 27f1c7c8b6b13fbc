package host

import (
	"bytes"
	"math"
	"math/bits"
	"os"

	"github.com/prometheus/procfs"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/meminfo, in KiB although it says kB (abridged):
//
//	MemTotal:       24684084 kB
//	MemFree:        22991240 kB
//	MemAvailable:   23701888 kB
//	HugePages_Total:       0
//	Hugepagesize:       2048 kB
//
// https://docs.kernel.org/filesystems/proc.html#meminfo

type meminfo struct {
	total, available snapshot.Count
	// setAside is memory that MemAvailable never counts, whatever is freed: huge
	// pages, used or not, and pages that are broken.
	setAside uint64
	// slab is reclaimable kernel memory; 0 where that is not told.
	slab uint64
}

// The lines that are used.
const (
	memTotal = iota
	memAvailable
	memFree
	memActiveFile
	memInactiveFile
	memSlab // reclaimable
	memCorrupted
	memHugetlb
	memHugeSize
	memHugePages // a number of pages, without a unit
	numMemLines
)

var memKeys = [numMemLines][]byte{
	[]byte("MemTotal:"), []byte("MemAvailable:"), []byte("MemFree:"), []byte("Active(file):"), []byte("Inactive(file):"),
	[]byte("SReclaimable:"), []byte("HardwareCorrupted:"), []byte("Hugetlb:"), []byte("Hugepagesize:"), []byte("HugePages_Total:"),
}

var unitKiB = []byte(" kB")

// parseMeminfo reads /proc/meminfo of a kernel that keeps reserve bytes free.
func parseMeminfo(file []byte, reserve uint64) meminfo {
	missing := snapshot.Count{Why: snapshot.NoKey}
	if len(file) == 0 || file[len(file)-1] != '\n' {
		missing.Why = snapshot.Truncated
	}
	var lines [numMemLines]snapshot.Count
	for i := range lines {
		lines[i] = missing
	}
	for line, rest, whole := bytes.Cut(file, []byte("\n")); whole; line, rest, whole = bytes.Cut(rest, []byte("\n")) {
		for i, key := range memKeys {
			if value, ok := bytes.CutPrefix(line, key); ok {
				lines[i] = parseMemory(value, i != memHugePages)
			}
		}
	}
	m := meminfo{total: lines[memTotal], available: lines[memAvailable]}
	if m.available.Why == snapshot.NoKey {
		m.available = estimateAvailable(&lines, reserve)
	}
	huge := lines[memHugetlb]
	if !huge.OK() { // before Linux 4.16, which tells of one size only
		over, size := bits.Mul64(lines[memHugePages].N, lines[memHugeSize].N)
		if huge.N = size; over > 0 {
			huge.N = math.MaxUint64 >> 1 // more than any machine has, which is found out with the total
		}
	}
	m.setAside = huge.N + lines[memCorrupted].N
	m.slab = lines[memSlab].N
	return m
}

// estimateAvailable is MemAvailable before Linux 3.14, from what the kernel makes
// it of later (si_mem_available): free memory, and of the page cache and the
// reclaimable slab each all but a part that is kept.
func estimateAvailable(lines *[numMemLines]snapshot.Count, reserve uint64) snapshot.Count {
	for _, i := range [...]int{memFree, memActiveFile, memInactiveFile, memSlab} {
		if !lines[i].OK() {
			return snapshot.Count{Why: lines[i].Why}
		}
	}
	sum := lines[memFree].N - min(lines[memFree].N, reserve)
	for _, cache := range [...]uint64{lines[memActiveFile].N + lines[memInactiveFile].N, lines[memSlab].N} {
		sum += cache - min(cache/2, reserve)
	}
	return snapshot.CountOf(sum)
}

// parseMemory is a value in bytes, or a number of pages.
func parseMemory(value []byte, isKiB bool) snapshot.Count {
	value = bytes.TrimLeft(value, " ")
	if isKiB {
		var ok bool
		if value, ok = bytes.CutSuffix(value, unitKiB); !ok {
			return snapshot.Count{Why: snapshot.Malformed}
		}
	}
	n, ok := decimal(value)
	switch {
	case !ok:
		return snapshot.Count{Why: snapshot.Malformed}
	case isKiB:
		n <<= 10
	}
	return snapshot.CountOf(n)
}

// reserve is the memory that the kernel keeps free, in bytes, which MemAvailable
// never counts either (mm/page_alloc.c, calculate_totalreserve_pages): of each
// zone its high watermark and the largest protection against other zones. 0
// where /proc/zoneinfo does not tell.
func reserve(procRoot string) uint64 {
	proc, err := procfs.NewFS(procRoot)
	if err != nil {
		return 0
	}
	zones, err := proc.Zoneinfo()
	if err != nil {
		return 0
	}
	pages := int64(0)
	for _, zone := range zones {
		if zone.High == nil || zone.Managed == nil {
			continue
		}
		most := int64(0)
		for _, p := range zone.Protection {
			if p != nil {
				most = max(most, *p)
			}
		}
		pages += min(*zone.High+most, *zone.Managed)
	}
	return uint64(pages) * uint64(os.Getpagesize()) //nolint:gosec // the kernel's are not negative
}
