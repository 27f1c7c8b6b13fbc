package unixsocket

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A socket whose file or whole directory is removed can be reached again, and
// connections that were open go on.
func TestARemovedSocketIsBoundAnew(t *testing.T) {
	path := socketPath(t)
	s := mustListen(t, path)
	go s.Watch(slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				ended <- err
				return
			}
			go func() { _, _ = c.Write([]byte("a")); _, _ = c.Read(make([]byte, 1)); _, _ = c.Write([]byte("b")) }()
		}
	}()
	reach := func() net.Conn {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			c, err := net.Dial("unix", path)
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
				if n, err := c.Read(make([]byte, 1)); n != 1 {
					t.Fatal("it is not accepted: ", err)
				}
				return c
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	open := reach()
	for name, remove := range map[string]func() error{
		"the file":      func() error { return os.Remove(path) },
		"its directory": func() error { return os.RemoveAll(filepath.Dir(path)) },
		"replaced by a file that is no socket, and that is removed": func() error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600), os.Remove(path))
		},
	} {
		if err := remove(); err != nil {
			t.Fatal(name, err)
		}
		reach()
		if fi, err := os.Lstat(path); err != nil || fi.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%s: the file is %v, err %v", name, fi, err)
		}
	}
	if _, err := open.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := open.Read(make([]byte, 1)); n != 1 {
		t.Error("a connection from before does not go on: ", err)
	}
	if err := errors.Join(s.Remove(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended with %v", err)
	}
	time.Sleep(2 * watchEvery)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was bound anew after the end: %v", err)
	}
}
