package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// node is an agent's root of its own with containers in it, and a cgroup for the
// daemon beside it.
type node struct {
	layout cgroup.Layout
	name   string
	roots  []string // of the containers, one for each hierarchy
	own    []string // of the daemon
	ids    []string
}

func newNode(containers int) (*node, error) {
	layout, err := cgroup.Detect("/sys/fs/cgroup", "/proc")
	if err != nil {
		return nil, err
	}
	n := &node{layout: layout, name: "estcost" + strconv.Itoa(os.Getpid())}
	for _, at := range layout.Mounts {
		if root := filepath.Join(at, n.name); at != "" && !slices.Contains(n.roots, root) {
			n.roots, n.own = append(n.roots, root), append(n.own, root+"-daemon")
		}
	}
	err = n.fill(containers)
	return n, err
}

func (n *node) fill(containers int) error {
	for _, dir := range slices.Concat(n.roots, n.own) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if n.layout.Mode == cgroup.V2 {
		if err := os.WriteFile(filepath.Join(n.roots[0], "cgroup.subtree_control"), []byte("+cpu +memory +pids +io"), 0o644); err != nil {
			return err
		}
	}
	t, err := startToucher()
	if err != nil {
		return err
	}
	defer t.stop()
	for i := range containers {
		id := fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i)
		n.ids = append(n.ids, id)
		for _, root := range n.roots {
			dir := filepath.Join(root, id)
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(t.cmd.Process.Pid)), 0o644); err != nil {
				return err
			}
		}
		if err := t.touch(); err != nil {
			return err
		}
	}
	return nil
}

// remove removes every cgroup that was made.
func (n *node) remove() error {
	var errs []error
	for _, root := range n.roots {
		for _, id := range n.ids {
			errs = append(errs, rmdir(filepath.Join(root, id)))
		}
	}
	for _, dir := range slices.Concat(n.roots, n.own) {
		errs = append(errs, rmdir(dir))
	}
	return errors.Join(errs...)
}

// rmdir waits while the kernel still counts a process that just ended.
func rmdir(dir string) error {
	for range 1000 {
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("rmdir %s: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("rmdir %s: still busy after 5 s", dir)
}

// toucher is a process that uses some memory and CPU time in each container it
// is moved to: a cgroup that was never used is cheaper to read than a real one.
type toucher struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startToucher() (*toucher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &toucher{cmd: exec.Command(self, asToucher)}
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	return t, t.cmd.Start()
}

func (t *toucher) touch() error {
	if _, err := t.in.Write([]byte{'\n'}); err != nil {
		return err
	}
	_, err := t.out.ReadByte()
	return err
}

func (t *toucher) stop() {
	_ = t.in.Close()
	_ = t.cmd.Wait() // it ends when its input does
}

// touchForever is the toucher's process: it touches 16 pages for each byte.
func touchForever(in io.Reader, out io.Writer) error {
	one := make([]byte, 1)
	for {
		switch _, err := io.ReadFull(in, one); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		pages, err := unix.Mmap(-1, 0, 16*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(pages); i += 4096 {
			pages[i] = 1
		}
		if _, err := out.Write(one); err != nil {
			return err
		}
	}
}

// enterAndExec moves this process into the cgroups and becomes another program,
// so that all of that is charged to them.
func enterAndExec(dirs, command []string) error {
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	return syscall.Exec(command[0], command, os.Environ())
}
