// Package policyfile keeps the policy that is in force, and takes a changed
// file over while the daemon runs.
//
// A file is read and judged whole before anything of it counts; then one
// pointer is swapped. A file that has a fault, is empty or is gone changes
// nothing: the policy that was in force stays, and the log, the metrics and
// Status say so. No policy at all is something only a restart can bring about:
// a file that vanishes is rather an accident.
package policyfile

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/qos"
)

// ErrNoFile says that the daemon was started without a policy file.
var ErrNoFile = errors.New("there is no policy file: set policy and restart")

// Config is what a Source is made of.
type Config struct {
	// Path is the policy file; "": there is no policy, and there will be none.
	Path string
	// Fresh is how old the inputs of the policy may be.
	Fresh qos.Fresh
	Log   *slog.Logger
	// Now is time.Now, except in tests.
	Now func() time.Time
}

// Source is where the policy in force comes from. Its methods are for any
// goroutine, but Run, which is for one.
type Source struct {
	cfg     Config
	current atomic.Pointer[config.PolicyFile]
	// looked, which may be nil, is called after each look at the file.
	looked func()

	mu     sync.Mutex
	status Status
	// seen tells the text that was looked at last from another, good or bad.
	seen text
}

// Status is how it stands with the policy file.
type Status struct {
	// File is the policy file, "" when there is none.
	File string
	// Hash is that of the text in force, since when it is.
	Hash  string
	Since time.Time
	// Rules is how many rules are in force; Shadow: none of them does anything.
	Rules  int
	Shadow bool
	// Warnings are what is odd in the text in force.
	Warnings []string
	// Checked is when the file was last judged, and Good when it last was
	// without fault. Err is what is wrong with it, nil when nothing is.
	Checked, Good time.Time
	Err           error
}

// Open reads the policy. A daemon that is started with a bad policy must not
// run: nobody would expect the one of a file that was never good.
func Open(cfg Config) (*Source, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Source{cfg: cfg}
	if cfg.Path == "" {
		return s, nil
	}
	t := read(cfg.Path)
	f, err := t.parse(cfg.Path)
	if err != nil {
		return nil, err
	}
	s.seen = t
	s.use(f, cfg.Now())
	return s, nil
}

// Current is the policy in force, nil for none.
func (s *Source) Current() *qos.Policy {
	if f := s.current.Load(); f != nil {
		return f.Policy
	}
	return nil
}

// File is the policy in force with all that its file says, nil for none.
func (s *Source) File() *config.PolicyFile { return s.current.Load() }

// Status is how it stands at this moment.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Reload judges the file at once and takes it over when it is good. The error
// is also in the log and in Status.
func (s *Source) Reload() error {
	if s.cfg.Path == "" {
		return ErrNoFile
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(read(s.cfg.Path))
}

// look is Reload for a file that has changed; otherwise it does nothing.
func (s *Source) look() {
	s.mu.Lock()
	if t := read(s.cfg.Path); !t.same(&s.seen) {
		_ = s.judge(t) // it is in the log and in the status
	}
	s.mu.Unlock()
	if s.looked != nil {
		s.looked()
	}
}

// changed reports whether look would judge something new.
func (s *Source) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := read(s.cfg.Path)
	return !t.same(&s.seen)
}

// judge takes t over, or says what is wrong with it. mu is held.
func (s *Source) judge(t text) error {
	now := s.cfg.Now()
	s.seen = t
	f, err := t.parse(s.cfg.Path)
	s.status.Checked, s.status.Err = now, err
	if err != nil {
		s.cfg.Log.Error("policy refused, the one in force stays", "file", s.cfg.Path, "hash_in_force", s.status.Hash, "err", err)
		return err
	}
	s.status.Good = now
	if in := s.current.Load(); in != nil && in.Hash == f.Hash {
		// The same pointer: rules that have held go on doing so.
		s.cfg.Log.Info("policy is unchanged", "file", s.cfg.Path, "hash", f.Hash)
		return nil
	}
	s.use(f, now)
	s.cfg.Log.Info("policy replaced", "file", s.cfg.Path, "hash", f.Hash, "rules", s.status.Rules, "shadow", s.status.Shadow)
	for _, w := range s.status.Warnings {
		s.cfg.Log.Warn("policy is odd", "what", w)
	}
	return nil
}

// use puts f in force.
func (s *Source) use(f *config.PolicyFile, now time.Time) {
	f.Policy.Fresh = s.cfg.Fresh
	s.current.Store(f)
	s.status = Status{
		File: f.File, Hash: f.Hash, Since: now, Checked: now, Good: now,
		Rules: len(f.Policy.Rules), Shadow: f.Policy.Shadow,
	}
	for _, w := range f.Warnings {
		s.status.Warnings = append(s.status.Warnings, w.Error())
	}
}

// text is what was found when the file was read.
type text struct {
	data []byte
	sum  [sha256.Size]byte
	err  error
}

func read(path string) text {
	data, err := config.Read(path)
	return text{data: data, sum: sha256.Sum256(data), err: err}
}

func (t *text) parse(path string) (*config.PolicyFile, error) {
	if t.err != nil {
		return nil, t.err
	}
	return config.ParsePolicy(path, t.data)
}

// same reports whether u says the same.
func (t *text) same(u *text) bool {
	if t.err != nil || u.err != nil {
		return t.err != nil && u.err != nil && t.err.Error() == u.err.Error()
	}
	return t.sum == u.sum
}
