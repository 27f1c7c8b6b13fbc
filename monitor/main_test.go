package monitor_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// What the test binary does instead of tests when it runs itself again, with
// the root of a copied tree as the variable's value.
const (
	deniedEnv   = "ESTIMATORD_TEST_DENIED"
	fewFilesEnv = "ESTIMATORD_TEST_FEW_FILES"
	noStatxEnv  = "ESTIMATORD_TEST_NO_STATX"
)

// rerunOK is the exit code of a rerun that went well.
const rerunOK = 42

func TestMain(m *testing.M) {
	for env, rerun := range map[string]func(root string) error{
		deniedEnv:   sampleDenied,
		fewFilesEnv: sampleWithFewFiles,
		noStatxEnv:  sampleWithoutStatx,
	} {
		if root := os.Getenv(env); root != "" {
			if err := rerun(root); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(rerunOK)
		}
	}
	cgrouptest.Main(m)
}

// fewFiles is a limit of open files far below what the tree asks for.
const fewFiles = 64

// sampleWithFewFiles expects that everything is read all the same.
func sampleWithFewFiles(root string) (err error) {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: fewFiles, Max: fewFiles}); err != nil {
		return err
	}
	m, err := monitor.New(monitor.Config{CgroupRoot: root, StatEvery: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for tick := range 4 {
		s := m.Sample(time.Now(), nil)
		for _, c := range s.Containers {
			if !c.CPU.UsageNanos.OK() || !c.Memory.UnreclaimableBytes.OK() || !c.Pids.OK() || !c.CPU.ThrottledNanos.OK() {
				return fmt.Errorf("tick %d: %+v", tick, c)
			}
		}
		if len(s.Containers) != fewFiles || m.Stats().OpenFiles > fewFiles {
			return fmt.Errorf("tick %d: %d containers, %d descriptors", tick, len(s.Containers), m.Stats().OpenFiles)
		}
	}
	if !strings.Contains(m.Layout(), "opened at each reading") {
		return errors.New("the layout does not say that files are opened each time")
	}
	return nil
}

// sampleWithoutStatx expects that all is read where statx(2) is answered with an
// error, as by kernels before 4.11 and by old container runtimes.
func sampleWithoutStatx(root string) (err error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_STATX, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if err := unix.Statx(unix.AT_FDCWD, root, 0, 0, &unix.Statx_t{}); !errors.Is(err, unix.EPERM) {
		return errors.New("statx is not forbidden")
	}
	m, err := monitor.New(monitor.Config{CgroupRoot: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	s := m.Sample(time.Now(), nil)
	if len(s.Containers) != 1 || s.TreeWhy != snapshot.Present || !s.Containers[0].CPU.UsageNanos.OK() || !s.Host.Usable().OK() {
		return fmt.Errorf("%+v", s)
	}
	return nil
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
	if !c.CPU.UsageNanos.OK() || c.Memory.UsageBytes.Why != snapshot.Denied || c.Memory.UnreclaimableBytes.Why != snapshot.Denied {
		return fmt.Errorf("memory is not denied, or more than that: %+v", c)
	}
	return nil
}
