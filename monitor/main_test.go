package monitor_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
	"github.com/estimatord/estimatord/snapshot"
)

// deniedEnv makes the test binary sample a tree as a user without rights.
const deniedEnv = "ESTIMATORD_TEST_DENIED"

func TestMain(m *testing.M) {
	if root := os.Getenv(deniedEnv); root != "" {
		if err := sampleDenied(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(42)
	}
	cgrouptest.Main(m)
}

// sampleDenied expects that the container c1 is there, its memory is denied,
// and the rest is read.
func sampleDenied(root string) (err error) {
	m, err := monitor.New(monitor.Config{CgroupRoot: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	s := m.Sample(time.Now(), nil)
	if len(s.Containers) != 1 {
		return fmt.Errorf("%d containers", len(s.Containers))
	}
	c := s.Containers[0]
	if !c.CPU.UsageNanos.OK() || c.Memory.UsageBytes.Why != snapshot.Denied || c.Memory.WorkingSetBytes.Why != snapshot.Denied {
		return fmt.Errorf("memory is not denied, or more than that: %+v", c)
	}
	return nil
}
