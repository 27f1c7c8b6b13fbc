package monitor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// With too few descriptors the same is read, at a higher cost.
func TestFewDescriptors(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			c := cgrouptest.NewCopied(t, t.TempDir(), shape)
			c.MakeRoot()
			for i := range 20 {
				c.Make(fmt.Sprintf("c%02d", i))
			}
			rich := newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 2})
			poor := newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 2, KeepFiles: 45})
			for i := range 7 {
				want, got := rich.tick(time.Second, nil), poor.tick(time.Second, nil)
				if i < 4 {
					// The rates of what moved to the slow turn take two of those.
					continue
				}
				if diff := cmp.Diff(want.Containers, got.Containers); diff != "" {
					t.Error(diff)
				}
			}
			if !strings.Contains(poor.Layout(), "opened at each reading") {
				t.Error("the layout does not say that files are opened each time")
			}
			if rich, poor := rich.Stats().OpenFiles, poor.Stats().OpenFiles; poor >= rich || poor > 45+20+10 {
				t.Errorf("%d descriptors, %d when they are plenty", poor, rich)
			}
		})
	}
}

// So few descriptors that not one can be kept for each container.
func TestLimitOfOpenFiles(t *testing.T) {
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		t.Fatal(err)
	}
	// 96 MiB each, which must be possible on this machine.
	if have := machine.Totalram * uint64(machine.Unit); have < (fewFiles+1)*96<<20 {
		t.Skipf("the containers of this test say that they use 6 GiB, this machine has %d MiB", have>>20)
	}
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			c := cgrouptest.NewCopied(t, t.TempDir(), shape)
			c.MakeRoot()
			for i := range fewFiles {
				c.Make(fmt.Sprintf("c%02d", i))
			}
			cgrouptest.Rerun(t, rerunOK, fewFilesEnv+"="+c.Root)
		})
	}
}

// Linux before 4.11 has no statx, and old container runtimes forbid it.
func TestWithoutStatx(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.Split)
	c.MakeRoot()
	c.Make("c1")
	cgrouptest.Rerun(t, rerunOK, noStatxEnv+"="+c.Root)
}
