package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-containers", "1,20", "-record"})
	if err != nil || !slices.Equal(o.sizes, []int{1, 20}) || !o.record {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"", "0", "10,", "ten"} {
		if _, err := parse([]string{"-containers", bad}); err == nil || !strings.Contains(err.Error(), "is no number of containers") {
			t.Errorf("-containers %q: %v", bad, err)
		}
	}
}

func TestKeyed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, []byte("VmRSSx:\t 7 kB\nVmRSS:\t  1234 kB\nEmpty:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := keyed(path, "VmRSS:"); n != 1234 || err != nil {
		t.Errorf("VmRSS is %d, %v; want 1234", n, err)
	}
	for _, absent := range []string{"VmSize:", "Empty:"} {
		if n, err := keyed(path, absent); err == nil {
			t.Errorf("%s is %d, want an error", absent, n)
		}
	}
}

func TestReportIsOfEveryContainer(t *testing.T) {
	r := report([]string{"a", "b", "c"}).GetUsage()
	var ids []string
	for _, e := range r.GetExecutors() {
		ids = append(ids, e.GetContainerId().GetValue())
	}
	if !slices.Equal(ids, []string{"a", "b", "c"}) || r.GetTotal()[0].GetScalar().GetValue() != 3 {
		t.Errorf("executors of %v, total %v", ids, r.GetTotal())
	}
}
