package host

import (
	"bytes"
	"os"

	"github.com/prometheus/procfs"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/meminfo, in KiB although it says kB (abridged):
//
//	MemTotal:       24684084 kB
//	MemFree:        22991240 kB
//	MemAvailable:   23701888 kB
//	HardwareCorrupted:     0 kB
//	HugePages_Total:       0
//	Hugepagesize:       2048 kB
//	Hugetlb:               0 kB
//
// https://docs.kernel.org/filesystems/proc.html#meminfo

type meminfo struct {
	total, available snapshot.Count
	// setAside is memory that MemAvailable never counts, whatever is freed: huge
	// pages, used or not, and pages that are broken. Kernels before 4.16 tell of
	// huge pages of one size only.
	setAside uint64
}

var (
	keyMemTotal     = []byte("MemTotal:")
	keyMemAvailable = []byte("MemAvailable:")
	keyCorrupted    = []byte("HardwareCorrupted:")
	keyHugePages    = []byte("HugePages_Total:")
	keyHugeSize     = []byte("Hugepagesize:")
	keyHugetlb      = []byte("Hugetlb:")
	unitKiB         = []byte(" kB")
)

func parseMeminfo(file []byte) meminfo {
	missing := snapshot.Count{Why: snapshot.NoKey}
	if len(file) == 0 || file[len(file)-1] != '\n' {
		missing.Why = snapshot.Truncated
	}
	m := meminfo{total: missing, available: missing}
	var pages uint64
	var size, hugetlb, corrupted snapshot.Count
	for {
		line, rest, whole := bytes.Cut(file, []byte("\n"))
		if !whole {
			break
		}
		file = rest
		if len(line) == 0 {
			continue
		}
		switch line[0] { // most lines are none of these
		case 'M':
			cutKiB(line, keyMemTotal, &m.total)
			cutKiB(line, keyMemAvailable, &m.available)
		case 'H':
			cutKiB(line, keyCorrupted, &corrupted)
			cutKiB(line, keyHugeSize, &size)
			cutKiB(line, keyHugetlb, &hugetlb)
			if value, ok := bytes.CutPrefix(line, keyHugePages); ok {
				pages, _ = decimal(bytes.TrimLeft(value, " "))
			}
		}
	}
	if !hugetlb.OK() {
		hugetlb.N = pages * size.N
	}
	m.setAside = hugetlb.N + corrupted.N
	return m
}

// cutKiB overwrites n where line has that key.
func cutKiB(line, key []byte, n *snapshot.Count) {
	value, ok := bytes.CutPrefix(line, key)
	if !ok {
		return
	}
	number, ok := bytes.CutSuffix(bytes.TrimLeft(value, " "), unitKiB)
	kib, isNumber := decimal(number)
	if !ok || !isNumber {
		*n = snapshot.Count{Why: snapshot.Malformed}
		return
	}
	*n = snapshot.CountOf(kib << 10)
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
