package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func count(n uint64) snapshot.Count              { return snapshot.CountOf(n) }
func absent(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }

func TestParseThrottleV1(t *testing.T) {
	noKey := absent(snapshot.NoKey)
	for _, tc := range []struct {
		name, file string
		want       snapshot.CPU
	}{
		{
			"6.x with bursts",
			"nr_periods 1203\nnr_throttled 17\nthrottled_time 84120334\nnr_bursts 0\nburst_time 0\n",
			snapshot.CPU{ThrottledNanos: count(84120334)},
		},
		{
			"4.x",
			"nr_periods 1203\nnr_throttled 17\nthrottled_time 84120334\n",
			snapshot.CPU{ThrottledNanos: count(84120334)},
		},
		{
			"cut in the last number",
			"nr_periods 1203\nnr_throttled 17\nthrottled_time 8412",
			snapshot.CPU{ThrottledNanos: absent(snapshot.Truncated)},
		},
		{"another file", "cache 1\n", snapshot.CPU{ThrottledNanos: noKey}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := snapshot.CPU{ThrottledNanos: kernel.Keyed([]byte(tc.file), keyThrottledNanos)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseCPUV2(t *testing.T) {
	noKey := absent(snapshot.NoKey)
	for _, tc := range []struct {
		name, file string
		want       snapshot.CPU
	}{
		{
			"with the cpu controller",
			"usage_usec 413947213\nuser_usec 296745540\nsystem_usec 117201672\nnr_periods 1203\nnr_throttled 17\nthrottled_usec 84120\n",
			snapshot.CPU{UsageNanos: count(413947213000), ThrottledNanos: count(84120000)},
		},
		{
			"without",
			"usage_usec 413947213\nuser_usec 296745540\nsystem_usec 117201672\nnice_usec 175663878\n",
			snapshot.CPU{UsageNanos: count(413947213000), ThrottledNanos: noKey},
		},
		{
			"too large for ns",
			"usage_usec 18446744073709551615\n",
			snapshot.CPU{UsageNanos: absent(snapshot.Malformed), ThrottledNanos: noKey},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got snapshot.CPU
			parseCPUV2([]byte(tc.file), &got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIsContainerID(t *testing.T) {
	const uuid = "0a6e8b3c-2d1f-4a55-9c3e-7f0f5f2d9a11"
	for _, tc := range []struct {
		name   string
		v1, v2 bool
	}{
		{uuid, true, true},
		{"c1", true, true},
		{"slave", false, true},
		{"agent", true, false},
		{"leaf", true, false},
		{"mesos", false, false},
		{"", false, false},
		{"redis.backup", false, false},
		{"has space", false, false},
		{"tab\t", false, false},
		{"back\\slash", false, false},
		{"del\x7f", false, false},
		{"süß", true, true},
		{strings.Repeat("x", 255), true, true},
		{strings.Repeat("x", 256), false, false},
	} {
		for mode, want := range map[Mode]bool{V1: tc.v1, Hybrid: tc.v1, V2: tc.v2} {
			if got := isContainerID([]byte(tc.name), mode); got != want {
				t.Errorf("%q on %v: %v, want %v", tc.name, mode, got, want)
			}
		}
	}
}

// Mounts come from a library; this is what is used of it.
func TestCgroupMounts(t *testing.T) {
	const file = `23 1 254:0 / / rw,relatime - ext4 /dev/root rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:7 master:2 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
42 31 0:39 /sub /mnt/with\040space\134 rw - cgroup none rw,memory
`
	want := [][4]string{
		{"/sys/fs/cgroup/cpu,cpuacct", "/", "cgroup", "rw,cpu,cpuacct"},
		{"/sys/fs/cgroup/systemd", "/", "cgroup", "rw,xattr,name=systemd"},
		{"/sys/fs/cgroup/unified", "/", "cgroup2", "rw,nsdelegate"},
		{`/mnt/with space\`, "/sub", "cgroup", "rw,memory"},
	}
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(proc, "self", "mountinfo"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	mounts, err := cgroupMounts(proc)
	if err != nil {
		t.Fatal(err)
	}
	var got [][4]string
	for _, m := range mounts {
		got = append(got, [4]string{m.Mountpoint, m.Root, m.FSType, m.VFSOptions})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	write(file + "43 31 0:40 / /too/short rw - cgroup\n")
	if mounts, err := cgroupMounts(proc); err == nil {
		t.Errorf("a line that the kernel does not write: %v", mounts)
	}
}

func FuzzParseStats(f *testing.F) {
	addKernelFiles(f)
	f.Add([]byte("usage_usec 413947213\nuser_usec 1\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n"))
	f.Add([]byte("nr_periods 1203\nnr_throttled 17\nthrottled_time 84120334\nnr_bursts 0\nburst_time 0\n"))
	f.Add([]byte("cache 1\nrss 2\ntotal_rss 3\ntotal_inactive_file 4\n"))
	f.Add([]byte("anon 1\nfile 2\ninactive_file 3"))
	f.Add([]byte("-1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		v1 := kernel.Keyed(file, keyThrottledNanos)
		var v2 snapshot.CPU
		parseCPUV2(file, &v2)
		m1, m2 := kernel.ParseMemoryStat(file, false), kernel.ParseMemoryStat(file, true)
		for i, c := range []snapshot.Count{
			v1, v2.UsageNanos, v2.ThrottledNanos,
			m1.AnonBytes, m1.ReclaimableBytes, m2.AnonBytes, m2.ReclaimableBytes,
		} {
			if c.Why == snapshot.NotRead || !c.OK() && c.N != 0 {
				t.Errorf("%q: reading %d is %+v", file, i, c)
			}
		}
	})
}
