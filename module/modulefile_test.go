package module_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allowedLibraries is all that the module may need: a second protobuf, glog or
// gRPC in the agent's process would end it.
var allowedLibraries = regexp.MustCompile(`^(libmesos(-[^/]+)?|libcurl|libstdc\+\+|libgcc_s|libc|libm|libpthread|ld-linux-[^/]+)\.so(\.\d+)*$`)

// TestModuleFile looks into every module that was built.
func TestModuleFile(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("build", "libestimatord-*.so"))
	if err != nil {
		t.Fatal(err)
	}
	if file := os.Getenv("GLUE_MODULE"); file != "" {
		files = append(files, file)
	}
	if len(files) == 0 {
		t.Skip("no module was built: make module MESOS_PREFIX=...")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { checkModuleFile(t, file) })
	}
}

func checkModuleFile(t *testing.T, name string) {
	file, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})

	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "libestimatord-"), ".so")
	needed, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range needed {
		if !allowedLibraries.MatchString(library) {
			t.Errorf("needs %s", library)
		}
	}
	if want := "libmesos-" + version + ".so"; !slices.Contains(needed, want) {
		t.Errorf("is not bound to %s: needs %v", want, needed)
	}

	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]elf.Symbol{}
	for _, symbol := range symbols {
		if symbol.Section != elf.SHN_UNDEF {
			defined[symbol.Name] = symbol
		}
	}
	for _, module := range []string{"org_estimatord_ResourceEstimator", "org_estimatord_QoSController"} {
		symbol, ok := defined[module]
		if !ok || elf.ST_TYPE(symbol.Info) != elf.STT_OBJECT {
			t.Errorf("does not export the object %s", module)
		}
		delete(defined, module)
	}
	for symbol := range defined {
		if strings.Contains(symbol, "estimatord") {
			t.Errorf("exports %s", symbol)
		}
	}

	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`estimatord module [^\x00]+ for Mesos ` + regexp.QuoteMeta(version) + `\x00`).Match(content) {
		t.Error("does not say its versions to strings(1)")
	}
}
