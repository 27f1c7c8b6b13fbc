package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What config check refuses of a hook, a daemon takes when the hook is only not
// there yet: regular tasks must not go without rules for it.
func TestHooksOfThisHost(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(t *testing.T, path string)
		// hook is a key with the path in its place.
		hook, want string
		// daemon: it refuses it too.
		daemon bool
	}{
		"a program":              {program(0o755), "command: [PATH]", "", false},
		"missing":                {func(*testing.T, string) {}, "command: [PATH]", "hook.command[0]: cannot be run: there is no PATH", false},
		"not executable":         {program(0o644), "command: [PATH]", "hook.command[0]: cannot be run: PATH is not executable; chmod +x it", false},
		"written by others":      {program(0o757), "command: [PATH]", "hook.command[0]: not to be trusted by root: PATH can be written by everybody; chmod o-w it", true},
		"a directory":            {directory(0o755), "command: [PATH]", "hook.command[0]: cannot be run: PATH is no regular file", false},
		"a socket's directory":   {directory(0o755), "socket: PATH/warn.sock", "", false},
		"a socket in no place":   {func(*testing.T, string) {}, "socket: PATH/warn.sock", "", false},
		"a socket where all may": {directory(0o777), "socket: PATH/warn.sock", "hook.socket: not to be trusted by root: everybody can make a socket in PATH", true},
		"a socket as in /tmp":    {directory(0o777 | fs.ModeSticky), "socket: PATH/warn.sock", "hook.socket: not to be trusted by root: everybody can make a socket in PATH", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, file := filepath.Join(dir, "hook"), filepath.Join(dir, "policy.yaml")
			tc.make(t, path)
			write(t, file, one+"hook:\n  "+strings.ReplaceAll(tc.hook, "PATH", path)+"\n")
			want := strings.ReplaceAll(tc.want, "PATH", path)
			_, err := LoadPolicy(file)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), ": "+want) {
				t.Errorf("config check: %v, want %q", err, want)
			}
			s, err := OpenPolicy(SourceConfig{Path: file})
			switch {
			case tc.daemon && !errors.Is(err, ErrUntrusted):
				t.Errorf("daemon: %v", err)
			case tc.daemon:
			case err != nil:
				t.Errorf("daemon: %v", err)
			case want != "" && !strings.Contains(strings.Join(s.Status().Warnings, "\n"), want):
				t.Errorf("daemon warns of %q, want %q", s.Status().Warnings, want)
			}
		})
	}
}

func program(mode os.FileMode) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		write(t, path, "#!/bin/sh\n")
		chmod(t, path, mode)
	}
}

func directory(mode os.FileMode) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, mode)
	}
}
