package unixsocket

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how soon it is noticed that nobody can connect any more.
const watchEvery = 2 * time.Second

// Watch binds the path anew whenever its file is gone or another's: a cleaner of
// temporary files, or an operator, may have removed it, and the agent could not
// come back. Connections that are open stay. It ends with Remove or Close.
func (s *Listener) Watch(log *slog.Logger) {
	log = log.With("socket", s.path)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for told := false; ; {
		select {
		case <-s.closed:
			return
		case <-tick.C:
		}
		if s.ours() {
			told = false
			continue
		}
		err := s.renew()
		switch {
		case err == nil:
			log.Warn("the socket's file was removed or replaced: bound anew")
		case !told:
			log.Error("the socket's file was removed or replaced, and cannot be bound anew", "err", err)
		}
		told = err != nil
	}
}

// ours reports whether the file is the one that was bound.
func (s *Listener) ours() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var st unix.Stat_t
	return unix.Lstat(s.path, &st) == nil && st.Dev == s.dev && st.Ino == s.ino
}

func (s *Listener) renew() error {
	if err := os.MkdirAll(filepath.Dir(s.path), dirMode); err != nil {
		return err
	}
	fresh, err := listen(s.path, s.uid)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.bound
	select {
	case <-s.closed:
		old = fresh.bound
		_ = os.Remove(s.path)
	default:
		s.bound, s.dev, s.ino = fresh.bound, fresh.dev, fresh.ino
	}
	return old.Close()
}

// Accept implements net.Listener.
func (s *Listener) Accept() (net.Conn, error) {
	for {
		bound := s.current()
		c, err := bound.Accept()
		if err == nil || bound == s.current() {
			return c, err
		}
	}
}

// Addr implements net.Listener.
func (s *Listener) Addr() net.Addr { return s.current().Addr() }

func (s *Listener) current() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// unwatch ends Watch.
func (s *Listener) unwatch() { s.once.Do(func() { close(s.closed) }) }

// Close implements net.Listener.
func (s *Listener) Close() error {
	s.unwatch()
	defer func() { _ = s.lock.Close() }() // a second time, too
	return s.current().Close()
}
