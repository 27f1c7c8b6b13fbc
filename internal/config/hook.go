package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/estimatord/estimatord/agentapi/prekill"
)

// Hook is who is told of a kill before the kill is handed to the agent, so that
// a framework can save what it has.
type Hook = prekill.Hook

// isSet reports whether anything is to be told.
func isSet(h *Hook) bool { return len(h.Command) > 0 || h.Socket != "" }

// errUnready says that a hook's program cannot be run as things are. A daemon
// goes on all the same: no kill waits for a program that is not there.
var errUnready = errors.New("cannot be run")

// checkHook reports what does not fit together.
func (p *policyText) checkHook() {
	switch h := &p.hook; {
	case (len(h.Command) > 0) == (h.Socket != ""):
		p.faultAt("hook", "needs exactly one of command and socket", nil)
	case len(h.Command) > 0 && !filepath.IsAbs(h.Command[0]):
		p.faultAt("hook.command[0]", quote(h.Command[0])+" is not an absolute path", nil)
	case h.Socket != "" && !filepath.IsAbs(h.Socket):
		p.faultAt("hook.socket", quote(h.Socket)+" is not an absolute path", nil)
	}
}

// judgeHook is what is wrong with a hook on this host, and at which key: somebody
// else could have another program run, or be told instead (ErrUntrusted), or
// the program cannot be run (errUnready).
func judgeHook(h *Hook) (key string, err error) {
	if h.Socket != "" {
		return "hook.socket", safeSocket(h.Socket)
	}
	return "hook.command[0]", safeProgram(h.Command[0])
}

func safeProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it may come yet, but from whom?
		if err := trusted(os.Geteuid(), filepath.Dir(path)); errors.Is(err, ErrUntrusted) {
			return err
		}
		return fmt.Errorf("%w: there is no %s", errUnready, path)
	case err != nil:
		return fmt.Errorf("%w: %w", errUnready, err)
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("%w: %s can be written by everybody; chmod o-w it", ErrUntrusted, path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no regular file", errUnready, path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%w: %s is not executable; chmod +x it", errUnready, path)
	}
	return trusted(os.Geteuid(), path)
}

// safeSocket refuses a socket that everybody could put in its place before the
// framework does, also in a directory like /tmp.
func safeSocket(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // whoever makes it later says whose it is
	case err != nil:
		return err
	case info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("%w: everybody can make a socket in %s; take a directory of the framework's user", ErrUntrusted, dir)
	}
	return nil
}
