package module_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeMesos lays out the headers and libraries that mesos-flags.sh looks for;
// empty ones are enough.
func fakeMesos(t *testing.T, without ...string) string {
	t.Helper()
	files := map[string]string{
		"include/mesos/version.hpp":                            "#define MESOS_VERSION \"1.11.0\"\n",
		"include/mesos/mesos.pb.h":                             "",
		"include/mesos/module/qos_controller.hpp":              "",
		"include/process/future.hpp":                           "",
		"include/stout/option.hpp":                             "",
		"lib/libmesos.so":                                      "",
		"lib/libmesos-1.11.0.so":                               "",
		"lib/mesos/3rdparty/include/boost/version.hpp":         "",
		"lib/mesos/3rdparty/include/glog/logging.h":            "",
		"lib/mesos/3rdparty/include/google/protobuf/message.h": "",
	}
	for _, file := range without {
		if _, ok := files[file]; !ok {
			t.Fatalf("%s is not looked for", file)
		}
		delete(files, file)
	}
	prefix := t.TempDir()
	for file, content := range files {
		path := filepath.Join(prefix, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return prefix
}

func mesosFlags(t *testing.T, prefix string) (stdout, stderr string, ok bool) {
	t.Helper()
	testPrograms(t, "plain") // Skips where there is no compiler or no libcurl.
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), "sh", "mesos-flags.sh", prefix)
	cmd.Env = append(os.Environ(), "PKG_CONFIG=false")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String(), errs.String(), err == nil
}

func TestMesosFlags(t *testing.T) {
	prefix := fakeMesos(t)
	stdout, stderr, ok := mesosFlags(t, prefix)
	want := "MESOS_VERSION := 1.11.0\n" +
		"MESOS_CPPFLAGS := -isystem " + prefix + "/include -isystem " + prefix + "/lib/mesos/3rdparty/include -D__STDC_FORMAT_MACROS\n" +
		"MESOS_LDFLAGS := -L" + prefix + "/lib\n"
	if !ok || stdout != want || stderr != "" {
		t.Errorf("%t, %q, %q, want %q", ok, stdout, stderr, want)
	}
}

// What libmesos.so leads to, with autotools and with CMake, must be of the
// version that the headers say.
func TestMesosFlagsGoByTheLibrarysVersion(t *testing.T) {
	for _, tc := range []struct {
		name, link string
		also       []string
		want       string
	}{
		{"autotools", "libmesos-1.11.0.so", nil, ""},
		{"CMake", "libmesos.so.1.11.0", nil, ""},
		{"autotools, of another version", "libmesos-1.10.0.so", nil, "libmesos.so is libmesos-1.10.0.so, and the headers are of version 1.11.0"},
		{"CMake, of another version", "libmesos.so.1.12.0", nil, "libmesos.so is libmesos.so.1.12.0, and the headers are of version 1.11.0"},
		{"another one beside", "libmesos.so.1.12.0", []string{"libmesos-1.11.0.so"}, "libmesos.so is libmesos.so.1.12.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prefix := fakeMesos(t, "lib/libmesos.so", "lib/libmesos-1.11.0.so")
			for _, file := range append(tc.also, tc.link) {
				if err := os.WriteFile(filepath.Join(prefix, "lib", file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(tc.link, filepath.Join(prefix, "lib", "libmesos.so")); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, ok := mesosFlags(t, prefix)
			if ok != (tc.want == "") || !strings.Contains(stderr, tc.want) || ok && !strings.Contains(stdout, "MESOS_VERSION := 1.11.0\n") {
				t.Errorf("%t, %q, %q; want %q", ok, stdout, stderr, tc.want)
			}
		})
	}
}

// Headers that the machine has anyway are not asked for here.
func TestMesosFlagsSayWhatIsMissing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		without []string
		want    []string
	}{
		{"Mesos", []string{"include/mesos/version.hpp"}, []string{"no <mesos/version.hpp>: Mesos is not installed under "}},
		{"the generated messages", []string{"include/mesos/mesos.pb.h"}, []string{"no <mesos/mesos.pb.h>", "protobuf"}},
		{"libprocess", []string{"include/process/future.hpp"}, []string{"no <process/future.hpp>"}},
		{"the library", []string{"lib/libmesos.so"}, []string{"no libmesos.so under "}},
		{"a library of this version", []string{"lib/libmesos-1.11.0.so"}, []string{"has neither libmesos-1.11.0.so nor libmesos.so.1.11.0: library and headers are of different versions"}},
		{"several things, all named", []string{"include/stout/option.hpp", "include/mesos/module/qos_controller.hpp", "lib/libmesos.so"}, []string{"no <stout/option.hpp>", "no <mesos/module/qos_controller.hpp>", "no libmesos.so"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stdout, stderr, ok := mesosFlags(t, fakeMesos(t, tc.without...))
			if ok || stdout != "" {
				t.Errorf("taken: %q", stdout)
			}
			for _, want := range tc.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q does not say %q", stderr, want)
				}
			}
		})
	}

	t.Run("no prefix, and pkg-config does not know it", func(t *testing.T) {
		if _, stderr, ok := mesosFlags(t, ""); ok || !strings.Contains(stderr, "make module MESOS_PREFIX=/usr") {
			t.Errorf("%t %q", ok, stderr)
		}
	})
}
