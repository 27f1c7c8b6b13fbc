package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const msec = time.Millisecond

func TestParse(t *testing.T) {
	if o, err := parse([]string{"-parts", "kill,latency", "-runs", "2"}); err != nil || o.runs != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-parts", "latency,none"}, {"-runs", "0"}, {"-kills", "0"}, {"-no-such"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if _, err := chosen("0,99"); err == nil {
		t.Error("-cases 99 is accepted")
	}
	if c, err := chosen("1"); err != nil || len(c) != 1 || c[0].name != latencyCases[1].name {
		t.Errorf("-cases 1 is %v, %v", c, err)
	}
}

// TestBack looks for the time from which on a spinning service has its CPU.
func TestBack(t *testing.T) {
	at := func(from, to int) gap { return gap{time.Duration(from) * msec, time.Duration(to) * msec} }
	for name, c := range map[string]struct {
		gaps []gap
		want time.Duration
	}{
		"never contended":               {nil, 0},
		"contended before only":         {[]gap{at(0, 90)}, 0},
		"contended for a while":         {[]gap{at(101, 140), at(142, 180), at(185, 220)}, 120 * msec},
		"contended to the end":          {[]gap{at(110, 1000)}, 900 * msec},
		"a gap of a floor is no relief": {[]gap{at(101, 200), at(203, 240), at(260, 262), at(360, 362)}, 140 * msec},
		"short gaps do not count":       {[]gap{at(101, 150), at(170, 172)}, 50 * msec},
	} {
		t.Run(name, func(t *testing.T) {
			r := report{Gaps: c.gaps, To: 1000 * msec}
			if got := back(&r, 100*msec); got != c.want {
				t.Errorf("back after %s, want %s", got, c.want)
			}
		})
	}
}

func TestIdealIsAQueue(t *testing.T) {
	// Two arrive together, a third while the second is answered, a fourth later.
	got := ideal([]time.Duration{0, 0, 15 * msec, 50 * msec}, 10*msec)
	if want := []time.Duration{10 * msec, 20 * msec, 15 * msec, 10 * msec}; !slices.Equal(got, want) {
		t.Errorf("latencies %v, want %v", got, want)
	}
}

func TestArrivals(t *testing.T) {
	a, b, other := arrivalsOf(400, 10*time.Second, 3), arrivalsOf(400, 10*time.Second, 3), arrivalsOf(400, 10*time.Second, 4)
	if !slices.Equal(a, b) || slices.Equal(a, other) {
		t.Error("the same seed has to give the same arrivals, and another one others")
	}
	// 4000 ± 4 σ, σ = √4000.
	if len(a) < 3750 || len(a) > 4250 || !slices.IsSorted(a) || a[len(a)-1] >= 10*time.Second {
		t.Errorf("%d arrivals up to %s", len(a), a[len(a)-1])
	}
}

func TestService(t *testing.T) {
	var out bytes.Buffer
	in := `{"rate":200,"work":100000,"seconds":0.1,"seed":1}` + "\n" + `{"spin":true,"seconds":0.05}` + "\n"
	if err := serve(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(&out)
	var requests, spun report
	if err := answers.Decode(&requests); err != nil {
		t.Fatal(err)
	}
	if err := answers.Decode(&spun); err != nil {
		t.Fatal(err)
	}
	if want := len(arrivalsOf(200, 100*msec, 1)); len(requests.Latencies) != want || want == 0 {
		t.Errorf("%d requests were answered, want %d", len(requests.Latencies), want)
	}
	for _, d := range requests.Latencies {
		if d < 100*time.Microsecond {
			t.Errorf("a request took %s, less than its work", d)
		}
	}
	if took := spun.To - spun.From; took < 50*msec {
		t.Errorf("it spun for %s, want 50ms", took)
	}
	if err := serve(strings.NewReader("work\n"), &out); err == nil {
		t.Error("a line that is no order is accepted")
	}
}

func TestMedian(t *testing.T) {
	self := func(x float64) float64 { return x }
	for _, c := range []struct {
		all  []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.all, self); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.all, got, c.want)
		}
	}
	if s := withLeast([]float64{3, 1, 2}, self); s != "2.00 (1.00)" {
		t.Errorf("%q", s)
	}
}

// TestQuick looks for what it changes in the file that is shipped.
func TestQuick(t *testing.T) {
	const shipped = "../../../configs/policy.yaml"
	if _, err := os.Stat(shipped); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shipped policy is not beside this test binary: it runs outside of the source tree")
	}
	text, err := quick(shipped)
	if err != nil || !strings.Contains(text, "\n  dwell: 1s ") || !strings.Contains(text, "floor:") {
		t.Errorf("%v in\n%s", err, text)
	}
	if _, err := quick("contention_test.go"); err == nil {
		t.Error("a file without a dwell is taken")
	}
}
