package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
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
