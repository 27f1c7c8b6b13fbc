package cgrouptest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Nobody is a user id without rights on anything.
const Nobody = 65534

// RunAs runs the test binary again as another user, with env on top of the
// environment, and expects that exit code of it. Its TestMain has to know env.
func RunAs(tb testing.TB, uid uint32, exitCode int, env ...string) {
	tb.Helper()
	// The binary itself may be where the user cannot reach it.
	dir, err := os.MkdirTemp("/tmp", "estimatord-test")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // below /tmp
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	expect(tb, cmd, exitCode, env)
}

// Rerun runs the test binary again, as RunAs does, as the same user.
func Rerun(tb testing.TB, exitCode int, env ...string) {
	tb.Helper()
	expect(tb, exec.Command("/proc/self/exe"), exitCode, env)
}

func expect(tb testing.TB, cmd *exec.Cmd, exitCode int, env []string) {
	tb.Helper()
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && exitCode == 0:
	case errors.As(err, &exit) && exit.ExitCode() == exitCode:
	default:
		tb.Errorf("%v: %v, want exit code %d: %s", env, err, exitCode, out)
	}
}
