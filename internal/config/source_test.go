package config

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/estimatord/estimatord/qos/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	one = "rules:\n  - {name: one, signal: node_cpu}\n"
	two = "rules:\n  - {name: two, signal: node_cpu}\n"
	bad = "rules:\n  - {name: three, signal: node_cpus}\n"
)

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, text string) (s *PolicySource, path string, log *logBuffer) {
	t.Helper()
	path, log = filepath.Join(t.TempDir(), "policy.yaml"), &logBuffer{}
	write(t, path, text)
	s, err := OpenPolicy(SourceConfig{Path: path, Fresh: policy.Fresh{Usage: time.Minute, Sample: time.Second}, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s, path, log
}

// in is the name of the first rule in force.
func in(s *PolicySource) string { return s.Current().Rules[0].Name }

func TestReload(t *testing.T) {
	s, path, log := opened(t, one)
	first := s.Current()
	if in(s) != "one" || first.Fresh.Usage != time.Minute || s.Status().Err != "" || s.Status().Hash == "" {
		t.Fatalf("policy %+v, status %+v", first, s.Status())
	}
	if err := s.Reload(); err != nil || s.Current() != first {
		t.Errorf("the same text is another policy: active rules would be forgotten; err %v", err)
	}
	hash := s.Status().Hash
	write(t, path, two)
	if err := s.Reload(); err != nil || in(s) != "two" || s.Status().Hash == hash || s.Current().Fresh.Usage != time.Minute {
		t.Fatalf("policy %s, status %+v, err %v", in(s), s.Status(), err)
	}
	if !strings.Contains(log.String(), "policy replaced") {
		t.Errorf("log %s", log)
	}
}

func TestABadFileChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"fault":     func(t *testing.T, path string) { write(t, path, bad) },
		"emptied":   func(t *testing.T, path string) { write(t, path, "") },
		"no rules":  func(t *testing.T, path string) { write(t, path, "rules: []\n") },
		"too large": func(t *testing.T, path string) { write(t, path, one+strings.Repeat("# much\n", 1<<18)) },
		"vanished":  func(t *testing.T, path string) { remove(t, path) },
		"directory": func(t *testing.T, path string) {
			remove(t, path)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"pipe": func(t *testing.T, path string) { // opening it would block
			remove(t, path)
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, path, log := opened(t, one)
			was, good := s.Current(), s.Status().Good
			spoil(t, path)
			if err := s.Reload(); err == nil {
				t.Fatal("accepted")
			}
			st := s.Status()
			if s.Current() != was || st.Err == "" || !st.Good.Equal(good) || !strings.Contains(log.String(), "policy refused") {
				t.Errorf("policy %v, status %+v, log %s", s.Current(), st, log)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, one)
			if err := s.Reload(); err != nil || s.Status().Err != "" || s.Current() != was {
				t.Errorf("the old text again: %v, status %+v", err, s.Status())
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestABadFileAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if _, err := OpenPolicy(SourceConfig{Path: path}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(t, path, bad)
	if _, err := OpenPolicy(SourceConfig{Path: path}); !errors.Is(err, ErrInvalid) {
		t.Errorf("bad file: %v", err)
	}
}

func TestWithoutAFile(t *testing.T) {
	s, err := OpenPolicy(SourceConfig{})
	if err != nil || s.Current() != nil || s.File() != nil {
		t.Errorf("policy %v, err %v", s.Current(), err)
	}
	if err := s.Reload(); err != nil {
		t.Errorf("reload: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

// Editors, installers and Kubernetes all replace a file in another way.
func TestRunSeesEveryKindOfChange(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"written in place": func(t *testing.T, path string) { write(t, path, two) },
		"renamed over": func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "policy.yaml")
			write(t, other, two)
			rename(t, other, path)
		},
		"moved away and written anew": func(t *testing.T, path string) { // vim with a backup
			rename(t, path, path+"~")
			time.Sleep(pollEvery)
			write(t, path, two)
		},
		"written in steps": func(t *testing.T, path string) {
			write(t, path, "")
			time.Sleep(pollEvery)
			write(t, path, bad)
			time.Sleep(pollEvery)
			write(t, path, two)
		},
		"a link's directory swapped": func(t *testing.T, path string) { // Kubernetes
			link(t, "..2", filepath.Join(filepath.Dir(path), "..data_tmp"))
			rename(t, filepath.Join(filepath.Dir(path), "..data_tmp"), filepath.Join(filepath.Dir(path), "..data"))
		},
		"written behind the link": func(t *testing.T, path string) {
			write(t, filepath.Join(filepath.Dir(path), "..1", "policy.yaml"), two)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, path, log := opened(t, one)
				if strings.Contains(name, "link") {
					dir := filepath.Dir(path)
					remove(t, path)
					for sub, text := range map[string]string{"..1": one, "..2": two} {
						if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
							t.Fatal(err)
						}
						write(t, filepath.Join(dir, sub, "policy.yaml"), text)
					}
					link(t, "..1", filepath.Join(dir, "..data"))
					link(t, filepath.Join("..data", "policy.yaml"), path)
				}
				run(t, s)
				time.Sleep(3*pollEvery + pollEvery/2)
				change(t, path)
				time.Sleep(2 * pollEvery)
				synctest.Wait()
				if in(s) != "two" {
					t.Errorf("not seen; log:\n%s", log)
				}
				if strings.Contains(log.String(), "refused") {
					t.Errorf("a step of the change was taken for the whole:\n%s", log)
				}
			})
		})
	}
}

// A file that does not change is not judged again, and one that is wrong is
// told of once.
func TestRunJudgesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path, log := opened(t, one)
		run(t, s)
		time.Sleep(10 * pollEvery)
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("judged without a change:\n%s", log)
		}
		remove(t, path)
		time.Sleep(10 * pollEvery)
		synctest.Wait()
		if n := strings.Count(log.String(), "policy refused"); n != 1 || in(s) != "one" {
			t.Errorf("told %d times:\n%s", n, log)
		}
	})
}

// A file system that hangs blocks nobody who asks what is in force, and what it
// holds is taken over when it answers again.
func TestAFileSystemThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path, log := opened(t, one)
		hung := make(chan struct{})
		s.look = func(path string, wanted func(identity) bool) sight {
			<-hung
			return lookAt(path, wanted)
		}
		run(t, s)
		write(t, path, two)
		time.Sleep(pollEvery)
		synctest.Wait() // Run waits for the file now
		if in(s) != "one" || s.Status().Err != "" {
			t.Errorf("policy %s, status %+v", in(s), s.Status())
		}
		time.Sleep(30 * time.Second)
		if err := s.Reload(); !errors.Is(err, errSlow) || in(s) != "one" || s.Status().Err != errSlow.Error() {
			t.Errorf("reload: %v, status %+v", err, s.Status())
		}
		if n := strings.Count(log.String(), "policy refused"); n != 2 { // by Run once, and by Reload
			t.Errorf("told %d times:\n%s", n, log)
		}
		close(hung)
		time.Sleep(2*pollEvery + s.patience)
		synctest.Wait()
		if in(s) != "two" || s.Status().Err != "" {
			t.Errorf("policy %s, status %+v after it answered", in(s), s.Status())
		}
	})
}

// A daemon that ends waits for no file system.
func TestRunEndsWhileAFileSystemHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, log := opened(t, one)
		hung := make(chan struct{})
		s.look = func(path string, wanted func(identity) bool) sight {
			<-hung
			return lookAt(path, wanted)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(pollEvery)
		synctest.Wait()
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > 0 || log.String() != "" {
			t.Errorf("%v after %s, log %s", err, time.Since(began), log)
		}
		close(hung)
	})
}

// run runs s until the test ends.
func run(t *testing.T, s *PolicySource) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}
