package module_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What make and CMake build is what is there.
func TestSourcesAreListed(t *testing.T) {
	data, err := os.ReadFile("sources.txt")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, pattern := range []string{"glue/*.cpp", "policy/*.cpp", "test/*_test.cpp", "transport/*.cpp"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		there = append(there, files...)
	}
	if listed := strings.Fields(string(data)); !slices.Equal(slices.Sorted(slices.Values(listed)), slices.Sorted(slices.Values(there))) {
		t.Errorf("sources.txt lists %q, there are %q", listed, there)
	}
}

// CMake builds and runs the tests that need no Mesos, and refuses to build the
// module without one.
func TestCMake(t *testing.T) {
	testPrograms(t, "plain") // skips where there is no compiler or no libcurl
	if _, err := exec.LookPath("cmake"); err != nil {
		t.Skip("cmake is not installed (Debian: apt install cmake)")
	}
	run := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		return string(out), err
	}
	if out, err := run("cmake", "-S", ".", "-B", t.TempDir(), "-DMESOS_PREFIX=/nonexistent"); err == nil ||
		!strings.Contains(out, "Mesos is not installed under /nonexistent") {
		t.Errorf("without Mesos: err %v\n%s", err, out)
	}
	dir := t.TempDir()
	for _, command := range [][]string{
		{"cmake", "-S", ".", "-B", dir, "-DBUILD_MODULE=OFF", "-DCMAKE_BUILD_TYPE=Debug"},
		{"cmake", "--build", dir, "--parallel", "2"},
		{"ctest", "--test-dir", dir, "--output-on-failure"},
	} {
		out, err := run(command...)
		if err != nil {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
		if command[0] == "ctest" && !strings.Contains(out, "0 tests failed out of 2") {
			t.Errorf("the tests were not run:\n%s", out)
		}
	}
}
