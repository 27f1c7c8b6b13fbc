package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrusted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const root, somebody = 0, 12345
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, dir, file string)
		euid  int
		want  string
	}{
		"root's own":        {func(*testing.T, string, string) {}, root, ""},
		"writable by all":   {func(t *testing.T, _, file string) { chmod(t, file, 0o666) }, root, "can be written by everybody"},
		"of somebody":       {func(t *testing.T, _, file string) { chown(t, file, somebody) }, root, "belongs to user 12345"},
		"directory of all":  {func(t *testing.T, dir, _ string) { chmod(t, dir, 0o777) }, root, "can be written by everybody"},
		"like /tmp":         {func(t *testing.T, dir, _ string) { chmod(t, dir, 0o777|os.ModeSticky) }, root, ""},
		"directory of one":  {func(t *testing.T, dir, _ string) { chown(t, dir, somebody) }, root, "belongs to user 12345"},
		"sticky, of one":    {func(t *testing.T, dir, file string) { chmod(t, dir, 0o777|os.ModeSticky); chown(t, file, somebody) }, root, "belongs to user 12345"},
		"not for root":      {func(t *testing.T, _, file string) { chmod(t, file, 0o666) }, somebody, ""},
		"vanished":          {func(t *testing.T, _, file string) { remove(t, file) }, root, "no such file"},
		"a link to another": {func(t *testing.T, dir, file string) { swap(t, dir, file) }, root, "can be written by everybody"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			file := filepath.Join(dir, "policy.yaml")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, file, one)
			tc.spoil(t, dir, file)
			err := trusted(tc.euid, file)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// A policy, a settings file and a hook that others can change are refused, and
// one that is made so while the daemon runs is not taken over.
func TestUntrustedFilesAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root refuses them")
	}
	s, path, _ := opened(t, one)
	write(t, path, two)
	chmod(t, path, 0o666)
	if err := s.Reload(); !errors.Is(err, ErrUntrusted) || in(s) != "one" {
		t.Errorf("reload: %v, policy %s", err, in(s))
	}
	if _, err := OpenPolicy(SourceConfig{Path: path}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("start: %v", err)
	}
	if _, _, err := Load(flagSet(t, "--config="+path), nil, ReadTrusted); !errors.Is(err, ErrUntrusted) || !strings.HasPrefix(err.Error(), "--config: ") {
		t.Errorf("settings: %v", err)
	}

	hook := filepath.Join(filepath.Dir(path), "hook")
	write(t, hook, "#!/bin/sh\n")
	chmod(t, hook, 0o757)
	chmod(t, path, 0o644)
	write(t, path, one+"hook:\n  command: ["+hook+"]\n")
	err := s.Reload()
	if !errors.Is(err, ErrUntrusted) || !strings.HasPrefix(err.Error(), path+":4:13: hook.command[0]: ") {
		t.Errorf("hook: %v", err)
	}
	chmod(t, hook, 0o755)
	if err := s.Reload(); err != nil || s.File().Hook == nil {
		t.Errorf("hook that is trusted: %v", err)
	}
	remove(t, hook)
	if err := s.Reload(); err != nil {
		t.Errorf("hook that is not there yet: %v", err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.Mkdir(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, theirs, 0o777)
	write(t, path, one+"hook:\n  command: ["+theirs+"/hook]\n")
	if err := s.Reload(); !errors.Is(err, ErrUntrusted) {
		t.Errorf("hook that anybody may put there: %v", err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string, uid int) {
	t.Helper()
	if err := os.Chown(path, uid, -1); err != nil {
		t.Fatal(err)
	}
}

// swap puts a link to a file that all can write in the place of file.
func swap(t *testing.T, dir, file string) {
	t.Helper()
	other := filepath.Join(dir, "other")
	rename(t, file, other)
	chmod(t, other, 0o666)
	link(t, other, file)
}
