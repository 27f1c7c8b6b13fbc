package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// addKernelFiles seeds a fuzz target with files of real kernels.
func addKernelFiles(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("testdata/linux-*/*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no files of real kernels: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

// Files as kernels wrote them, with the values read off by eye.
func TestKernelFiles(t *testing.T) {
	read := func(path string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("testdata", path))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, tc := range []struct {
		path string
		v2   bool
		want kernel.MemoryStat
	}{
		{"linux-6.18-v1/memory.stat", false, kernel.MemoryStat{AnonBytes: count(577097728), ReclaimableBytes: count(1169166336 + 1456496640 - 66560000)}},
		{"linux-6.12-v2/memory.stat", true, kernel.MemoryStat{AnonBytes: count(36065280), ReclaimableBytes: count(0)}},
		{"linux-6.1-v2/memory.stat", true, kernel.MemoryStat{AnonBytes: count(8687616), ReclaimableBytes: count(0)}},
	} {
		if got := kernel.ParseMemoryStat(read(tc.path), tc.v2); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.path, got, tc.want)
		}
	}

	noKey := absent(snapshot.NoKey)
	var v1, v2, throttled snapshot.CPU
	v1.ThrottledNanos = kernel.Keyed(read("linux-6.18-v1/cpu.stat"), keyThrottledNanos)
	if diff := cmp.Diff(snapshot.CPU{ThrottledNanos: count(0)}, v1); diff != "" {
		t.Error(diff)
	}
	parseCPUV2(read("linux-6.18-unified/cpu.stat"), &v2)
	want := snapshot.CPU{UsageNanos: count(3518861275000), ThrottledNanos: noKey}
	if diff := cmp.Diff(want, v2); diff != "" {
		t.Error(diff)
	}
	parseCPUV2(read("linux-6.1-v2/cpu.stat"), &throttled)
	want = snapshot.CPU{
		UsageNanos: count(1006121000), ThrottledNanos: count(2318970000),
	}
	if diff := cmp.Diff(want, throttled); diff != "" {
		t.Error(diff)
	}
	// With nice_usec, which kernels before 6.12 do not have.
	var nice snapshot.CPU
	parseCPUV2(read("linux-6.12-v2/cpu.stat"), &nice)
	want = snapshot.CPU{
		UsageNanos: count(1793238000), ThrottledNanos: count(841800000),
	}
	if diff := cmp.Diff(want, nice); diff != "" {
		t.Error(diff)
	}
	if got, want := kernel.ParsePSI(read("linux-6.12-v2/cpu.pressure")), (kernel.PSI{SomeMicros: count(3348452), FullMicros: count(3098900)}); got != want {
		t.Errorf("pressure: %+v, want %+v", got, want)
	}
}
