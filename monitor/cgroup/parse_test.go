package cgroup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
			snapshot.CPU{Periods: count(1203), ThrottledPeriods: count(17), ThrottledNanos: count(84120334)},
		},
		{
			"4.x",
			"nr_periods 1203\nnr_throttled 17\nthrottled_time 84120334\n",
			snapshot.CPU{Periods: count(1203), ThrottledPeriods: count(17), ThrottledNanos: count(84120334)},
		},
		{
			"cut in the last number",
			"nr_periods 1203\nnr_throttled 17\nthrottled_time 8412",
			snapshot.CPU{Periods: count(1203), ThrottledPeriods: count(17), ThrottledNanos: absent(snapshot.Truncated)},
		},
		{"another file", "cache 1\n", snapshot.CPU{Periods: noKey, ThrottledPeriods: noKey, ThrottledNanos: noKey}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got snapshot.CPU
			parseThrottleV1([]byte(tc.file), &got)
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
			snapshot.CPU{UsageNanos: count(413947213000), Periods: count(1203), ThrottledPeriods: count(17), ThrottledNanos: count(84120000)},
		},
		{
			"without",
			"usage_usec 413947213\nuser_usec 296745540\nsystem_usec 117201672\nnice_usec 175663878\n",
			snapshot.CPU{UsageNanos: count(413947213000), Periods: noKey, ThrottledPeriods: noKey, ThrottledNanos: noKey},
		},
		{
			"too large for ns",
			"usage_usec 18446744073709551615\n",
			snapshot.CPU{UsageNanos: absent(snapshot.Malformed), Periods: noKey, ThrottledPeriods: noKey, ThrottledNanos: noKey},
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

func TestParseMemoryStat(t *testing.T) {
	const v1 = "cache 9625600\nrss 12087296\nrss_huge 0\ninactive_file 57344\n" +
		"total_cache 809410560\ntotal_rss 580739072\ntotal_rss_huge 0\ntotal_inactive_file 395878400\n"
	const v2 = "anon 580739072\nfile 809410560\nanon_thp 0\ninactive_file 395878400\nworkingset_refault_anon 1\n"
	noKey := absent(snapshot.NoKey)
	for _, tc := range []struct {
		name, file string
		mode       Mode
		want       memoryStat
	}{
		{"v1 counts those below as well", v1, V1, memoryStat{count(580739072), count(395878400)}},
		{"hybrid is v1", v1, Hybrid, memoryStat{count(580739072), count(395878400)}},
		{"v2", v2, V2, memoryStat{count(580739072), count(395878400)}},
		{"v2 read as v1", v2, V1, memoryStat{noKey, noKey}},
		{"v1 without the keys", "cache 1\n", V1, memoryStat{noKey, noKey}},
		{"cut", v1[:len(v1)-12], V1, memoryStat{count(580739072), absent(snapshot.Truncated)}},
		{"empty", "", V2, memoryStat{absent(snapshot.Truncated), absent(snapshot.Truncated)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseMemoryStat([]byte(tc.file), tc.mode); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestWorkingSet(t *testing.T) {
	for _, tc := range []struct {
		name            string
		usage, inactive snapshot.Count
		want            snapshot.Count
	}{
		{"difference", count(100), count(30), count(70)},
		{"the cache was dropped in between", count(10), count(30), count(0)},
		{"no usage", absent(snapshot.Denied), count(30), absent(snapshot.Denied)},
		{"no stat", count(100), absent(snapshot.NoKey), absent(snapshot.NoKey)},
	} {
		if got := workingSet(tc.usage, tc.inactive); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
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

func TestParseMountinfo(t *testing.T) {
	const file = `23 1 254:0 / / rw,relatime - ext4 /dev/root rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:7 master:2 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
42 31 0:39 / /mnt/with\040space\134 rw - cgroup none rw,memory
43 31 0:40 / /too/short rw - cgroup
44 /short - cgroup cgroup rw,pids
no separator at all
`
	want := []mount{
		{point: "/sys/fs/cgroup/cpu,cpuacct", root: "/", options: []string{"rw", "cpu", "cpuacct"}},
		{point: "/sys/fs/cgroup/systemd", root: "/", options: []string{"rw", "xattr", "name=systemd"}},
		{point: "/sys/fs/cgroup/unified", root: "/", v2: true, options: []string{"rw", "nsdelegate"}},
		{point: `/mnt/with space\`, root: "/", options: []string{"rw", "memory"}},
	}
	if diff := cmp.Diff(want, parseMountinfo([]byte(file)), cmp.AllowUnexported(mount{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add([]byte("32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:7 - cgroup cgroup rw,cpu,cpuacct\n"))
	f.Add([]byte(`42 31 0:39 / /mnt/with\040space\13 rw - cgroup2 none rw,memory`))
	f.Add([]byte(" - cgroup - \n"))
	f.Add([]byte(`1 2 3 4 \400 6 - cgroup a b`))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, m := range parseMountinfo(file) {
			if m.point == "" || len(m.options) == 0 {
				t.Errorf("%q: mount %+v", file, m)
			}
		}
	})
}

func FuzzParseStats(f *testing.F) {
	addKernelFiles(f)
	f.Add([]byte("usage_usec 413947213\nuser_usec 1\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n"))
	f.Add([]byte("nr_periods 1203\nnr_throttled 17\nthrottled_time 84120334\nnr_bursts 0\nburst_time 0\n"))
	f.Add([]byte("cache 1\nrss 2\ntotal_rss 3\ntotal_inactive_file 4\n"))
	f.Add([]byte("anon 1\nfile 2\ninactive_file 3"))
	f.Add([]byte("-1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var v1, v2 snapshot.CPU
		parseThrottleV1(file, &v1)
		parseCPUV2(file, &v2)
		m1, m2 := parseMemoryStat(file, V1), parseMemoryStat(file, V2)
		for i, c := range []snapshot.Count{
			v1.Periods, v1.ThrottledPeriods, v1.ThrottledNanos,
			v2.UsageNanos, v2.Periods, v2.ThrottledPeriods, v2.ThrottledNanos,
			m1.anonBytes, m1.inactiveFileBytes, m2.anonBytes, m2.inactiveFileBytes,
		} {
			if c.Why == snapshot.NotRead || !c.OK() && c.N != 0 {
				t.Errorf("%q: reading %d is %+v", file, i, c)
			}
		}
	})
}
