package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// errIrregular says that something else has the name of a file.
var errIrregular = errors.New("is no regular file")

// Read reads a configuration file: no more of it than it takes to see that it
// is too long, and nothing but a regular file. A pipe could block for ever, and
// a device never end.
func Read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errIrregular}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// ErrUntrusted says that somebody else than root can change a file that a
// daemon which runs as root obeys.
var ErrUntrusted = errors.New("not to be trusted by root")

// ReadTrusted is Read for a daemon: where it runs as root, what others can
// change is refused.
func ReadTrusted(name string) ([]byte, error) {
	if err := Trusted(name); errors.Is(err, ErrUntrusted) {
		return nil, err
	}
	return Read(name) // which says best what else is wrong
}

// Trusted is what ReadTrusted refuses.
func Trusted(name string) error { return trusted(os.Geteuid(), name) }

// trusted reports who else than the user euid, when that is root, can change
// what is behind name: the file, or a directory on the way to it.
func trusted(euid int, name string) error {
	if euid != 0 {
		return nil
	}
	given, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	behind, err := filepath.EvalSymlinks(given)
	if err != nil {
		return err
	}
	for _, path := range []string{given, behind} {
		for {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			owner := info.Sys().(*syscall.Stat_t).Uid
			switch mode := info.Mode(); {
			case owner != 0:
				return fmt.Errorf("%w: %s belongs to user %d; chown it to root", ErrUntrusted, path, owner)
			case mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0:
				return fmt.Errorf("%w: %s can be written by everybody; chmod o-w it", ErrUntrusted, path)
			}
			if path == "/" {
				break
			}
			path = filepath.Dir(path)
		}
	}
	return nil
}
