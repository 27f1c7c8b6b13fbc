package agentresources

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// hostOf is a host of so many processors, and bytes of memory and of the file
// system of every directory; 0: it cannot be read.
func hostOf(cpus int, mem, disk uint64) Host {
	size := func(n uint64) (uint64, error) {
		if n == 0 {
			return 0, errors.New("no")
		}
		return n, nil
	}
	return Host{
		CPUs:      func() (int, error) { n, err := size(uint64(cpus)); return int(n), err },
		MemBytes:  func() (uint64, error) { return size(mem) },
		DiskBytes: func(string) (uint64, error) { return size(disk) },
	}
}

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		flags Flags
		host  Host
		want  string
	}{
		"large":            {host: hostOf(8, 16*gigabyte, 100*gigabyte), want: "cpus:8;disk:97280;mem:15360;ports:[31000-32000]"},
		"just enough":      {host: hostOf(2, 2*gigabyte, 10*gigabyte), want: "cpus:2;disk:5120;mem:1024;ports:[31000-32000]"},
		"small":            {host: hostOf(1, 2*gigabyte-1, 10*gigabyte-1), want: "cpus:1;disk:5119;mem:1023;ports:[31000-32000]"},
		"nothing readable": {host: hostOf(0, 0, 0), want: "cpus:1;disk:10240;mem:1024;ports:[31000-32000]"},
		"named alone":      {flags: Flags{Resources: "cpus:3;mem(r):512"}, host: hostOf(8, 16*gigabyte, 100*gigabyte), want: "cpus:3;disk:97280;mem(r):512;ports:[31000-32000]"},
		"zero is named":    {flags: Flags{Resources: "cpus:0;ports:[]"}, host: hostOf(8, 16*gigabyte, 100*gigabyte), want: "cpus:0;disk:97280;mem:15360;ports:[]"},
		"default role":     {flags: Flags{Resources: "cpus:3;cpus(*):1", DefaultRole: "eng"}, host: hostOf(8, 2*gigabyte, 10*gigabyte), want: "cpus:1;cpus(eng):3;disk(eng):5120;mem(eng):1024;ports(eng):[31000-32000]"},
		"another":          {flags: Flags{Resources: "bandwidth:100"}, host: hostOf(1, 2*gigabyte, 10*gigabyte), want: "bandwidth:100;cpus:1;disk:5120;mem:1024;ports:[31000-32000]"},
	} {
		if c.flags.DefaultRole == "" {
			c.flags.DefaultRole = "*"
		}
		all, err := Of(c.flags, c.host)
		var got []string
		for i := range all {
			got = append(got, all[i].String())
			if all[i].How == "" {
				t.Errorf("%s: %s without a reason", name, all[i].Name)
			}
		}
		if text := strings.Join(got, ";"); err != nil || text != c.want {
			t.Errorf("%s: %s, %v, want %s", name, text, err, c.want)
		}
	}
}

// The kernel says the same by other ways.
func TestThisHost(t *testing.T) {
	h := ThisHost()
	cpus, err := h.CPUs()
	if err != nil || cpus < runtime.NumCPU() { // the test may be bound to some of them
		t.Errorf("%d processors, %v, want %d at least", cpus, err, runtime.NumCPU())
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip(err)
	}
	total, err := h.MemBytes()
	kb := strings.Fields(string(meminfo))[1]
	if want, perr := resources.Parse("x:" + kb); perr != nil || err != nil || want.Get("x") != resources.Milli(total/1024)*resources.Unit {
		t.Errorf("%d bytes of memory, %v, /proc/meminfo says %s kB", total, err, kb)
	}
	all, err := Of(Flags{DefaultRole: "*", WorkDir: t.TempDir() + "/not/yet"}, h)
	if err != nil || len(all) != 4 || strings.Contains(all[1].How, "cannot") || strings.Contains(all[1].How, "not/yet") {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestCompare(t *testing.T) {
	here, err := Of(Flags{Resources: "cpus:2;cpus(r):2;mem:1024;licences:3", DefaultRole: "*"}, hostOf(1, 1, 20*gigabyte))
	if err != nil {
		t.Fatal(err)
	}
	agent := []snapshot.Reservation{
		{Role: "*", Reserved: resources.Quantities{{Name: "cpus", Amount: 1_000}, {Name: "disk", Amount: 15360_000}, {Name: "gpus", Amount: 1_000}}},
		{Role: "r/s", Reserved: resources.Quantities{{Name: "cpus", Amount: 3_000}, {Name: "mem", Amount: 512_000}}},
	}
	got := Compare(here, agent)
	want := []Difference{{"licences", 3_000, 0}, {"mem", 1024_000, 512_000}, {"gpus", 0, 1_000}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestExcess(t *testing.T) {
	host := hostOf(2, gigabyte, 10*gigabyte)
	of := func(text string) []Value {
		all, err := Of(Flags{Resources: text, DefaultRole: "*"}, host)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := Excess(of("cpus:1;cpus(r):1;mem:1024;disk:10240"), "/", host); got != nil {
		t.Errorf("%v of all that there is", got)
	}
	got := Excess(of("cpus:2;cpus(r):0.001;mem:1025;disk:99999"), "/", host)
	if want := (Difference{"cpus", 2_001, 2_000}); len(got) != 3 || got[0] != want {
		t.Errorf("%v, want three, the first %v", got, want)
	}
	if got := Excess(of("cpus:99"), "/", hostOf(0, 0, 0)); got != nil {
		t.Errorf("%v of what cannot be read", got)
	}
}
