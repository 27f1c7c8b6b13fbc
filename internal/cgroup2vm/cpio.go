package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// archive writes an initramfs in the "newc" format of cpio
// (Documentation/driver-api/early-userspace/buffer-format.rst). The first
// error sticks and is what close returns.
type archive struct {
	w   *bufio.Writer
	n   int64 // bytes written
	ino int
	err error
}

// Modes of entries, as in stat(2).
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
)

func newArchive(w io.Writer) *archive { return &archive{w: bufio.NewWriterSize(w, 1<<20)} }

// dir adds a directory.
func (a *archive) dir(name string) { a.entry(name, modeDir|0o755, 0, nil) }

// link adds a symbolic link.
func (a *archive) link(name, target string) {
	a.entry(name, modeLink|0o777, int64(len(target)), strings.NewReader(target))
}

// file adds a file of that size.
func (a *archive) file(name string, perm uint32, size int64, r io.Reader) {
	a.entry(name, modeFile|perm, size, r)
}

// copy adds a file of the host.
func (a *archive) copy(name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a.file(name, uint32(info.Mode().Perm()), info.Size(), f)
	return a.err
}

// close ends the archive.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, nil)
	if a.err == nil {
		a.err = a.w.Flush()
	}
	return a.err
}

// entry writes a header of 13 numbers in 8 hexadecimal digits each, the name
// with a zero byte, and the data; both are padded to four bytes.
func (a *archive) entry(name string, mode uint32, size int64, r io.Reader) {
	const links, none = 1, 0
	a.ino++
	a.printf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.ino, mode, none, none, links, none, size, none, none, none, none, len(name)+1, none)
	a.printf("%s\x00", name)
	a.pad()
	if r == nil || a.err != nil {
		return
	}
	n, err := io.Copy(a.w, r)
	a.n += n
	switch {
	case err != nil:
		a.err = fmt.Errorf("pack %s: %w", name, err)
	case n != size:
		a.err = fmt.Errorf("pack %s: %d bytes instead of %d", name, n, size)
	}
	a.pad()
}

func (a *archive) printf(format string, args ...any) {
	if a.err != nil {
		return
	}
	n, err := fmt.Fprintf(a.w, format, args...)
	a.n += int64(n)
	a.err = err
}

func (a *archive) pad() {
	for a.err == nil && a.n%4 != 0 {
		a.err = a.w.WriteByte(0)
		a.n++
	}
}
