package module_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// variants are the builds of the C++ code that every test runs against.
var variants = []string{"plain", "asan", "tsan"}

type build struct {
	once sync.Once
	dir  string
	skip string
	err  string
}

var builds = map[string]*build{"plain": {}, "asan": {}, "tsan": {}}

// probe is the smallest program that needs what the transport needs.
const probe = `#include <curl/curl.h>
#include <thread>
#if LIBCURL_VERSION_NUM < 0x073100
#error "libcurl is older than 7.49"
#endif
int main() { std::thread([] { curl_version(); }).join(); }
`

// sanitizeFlags are those of the Makefile, for the probe.
var sanitizeFlags = map[string][]string{
	"plain": nil,
	"asan":  {"-fsanitize=address,undefined"},
	"tsan":  {"-fsanitize=thread"},
}

// testPrograms builds the C++ test programs of a variant and returns their
// folder. It skips the test when this machine cannot build or run them.
func testPrograms(t *testing.T, variant string) string {
	t.Helper()
	b := builds[variant]
	b.once.Do(func() { b.run(t, variant) })
	if b.skip != "" {
		t.Skip(b.skip)
	}
	if b.err != "" {
		t.Fatal(b.err)
	}
	return b.dir
}

func (b *build) run(t *testing.T, variant string) {
	t.Helper()
	cxx := os.Getenv("CXX")
	if cxx == "" {
		cxx = "g++"
	}
	for _, tool := range []string{cxx, "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.skip = tool + " is not installed: the C++ module is not tested (Debian: apt install g++ make libcurl4-openssl-dev)"
			return
		}
	}
	source := filepath.Join(t.TempDir(), "probe.cpp")
	if err := os.WriteFile(source, []byte(probe), 0o600); err != nil {
		b.err = err.Error()
		return
	}
	program := strings.TrimSuffix(source, ".cpp")
	args := append([]string{"-std=c++14", "-pthread", "-o", program, source}, sanitizeFlags[variant]...)
	if out, err := exec.CommandContext(t.Context(), cxx, append(args, "-lcurl")...).CombinedOutput(); err != nil {
		b.skip = "the C++ module is not tested as " + variant + ": " + cxx + " cannot build against libcurl with " +
			strings.Join(sanitizeFlags[variant], " ") + " (Debian: apt install g++ libcurl4-openssl-dev): " + lastLine(out)
		return
	}
	if out, err := exec.CommandContext(t.Context(), program).CombinedOutput(); err != nil {
		b.skip = "the C++ module is not tested as " + variant + ": a program built so does not run here: " + lastLine(out)
		return
	}

	compile := exec.CommandContext(t.Context(), "make", "--no-print-directory", "test-programs",
		"VARIANT="+variant, "OUT="+filepath.Join("build", "test-"+variant), "CXX="+cxx, "CXXFLAGS=-O1 -g1", "VERSION=test")
	if out, err := compile.CombinedOutput(); err != nil {
		b.err = "make test-programs VARIANT=" + variant + ": " + err.Error() + "\n" + string(out)
		return
	}
	dir, err := filepath.Abs(filepath.Join("build", "test-"+variant))
	if err != nil {
		b.err = err.Error()
		return
	}
	b.dir = dir
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// eachVariant runs test against each build.
func eachVariant(t *testing.T, test func(t *testing.T, programs string)) {
	t.Helper()
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) { test(t, testPrograms(t, variant)) })
	}
}

func TestUnits(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programs, "unit_test")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}

// The answer decoder over its committed corpus; the same target runs under
// libFuzzer with "make -C module fuzz".
func TestFuzzCorpus(t *testing.T) {
	eachVariant(t, func(t *testing.T, programs string) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programs, "fuzz_corpus"), filepath.Join("fuzz", "corpus")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
