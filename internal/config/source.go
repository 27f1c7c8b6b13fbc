package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// errSlow says that the file system does not answer.
var errSlow = errors.New("reading takes too long: does its file system hang?")

// pollEvery is the time between two looks at the policy file. A change is read
// when two looks in a row have found the same: editors and installers write in
// steps.
const pollEvery = 2 * time.Second

// SourceConfig is what a PolicySource is made of.
type SourceConfig struct {
	// Path is the policy file; "": there is no policy, and there will be none.
	Path string
	// Fresh is how old the inputs of the policy may be.
	Fresh policy.Fresh
	Log   *slog.Logger
	// Reservations are offered: what owners allocate of them is given back, by rules
	// of the policy or, where it has none, by built-in ones.
	Reservations bool
	// OffersMem is the setting by which memory is offered, "" when it is not: a policy
	// that does not take it back is refused.
	OffersMem string
	// Now is time.Now, except in tests.
	Now func() time.Time
}

// PolicySource keeps the policy that is in force, and takes a changed file over
// while the daemon runs.
//
// A file is read and judged whole before anything of it counts; then one
// pointer is swapped. A file that has a fault, is empty or is gone changes
// nothing: the policy that was in force stays, and the log, the metrics and
// Status say so. No policy at all is something only a restart can bring about:
// a file that vanishes is rather an accident.
//
// The methods are for any goroutine. Current, File and Status wait for no file:
// a file system may hang.
type PolicySource struct {
	cfg     SourceConfig
	current atomic.Pointer[PolicyFile]
	// patience is how long a file system may take; look is lookAt, except in
	// tests.
	patience time.Duration
	look     func(path string, wanted func(identity) bool) sight
	// reading is taken by whoever looks at the file. It guards seen, which was
	// judged last, good or bad, and last, which was seen last.
	reading chan struct{}
	seen    sight
	last    identity

	mu     sync.Mutex
	status PolicyStatus
}

// PolicyStatus is how it stands with the policy file.
type PolicyStatus struct {
	// File is the policy file, "" when there is none.
	File string `json:"file"`
	// Hash is that of the policy in force, since when it is.
	Hash  string    `json:"hash"`
	Since time.Time `json:"since"`
	// Rules is how many rules are in force; Shadow: none of them does anything.
	Rules  int  `json:"rules"`
	Shadow bool `json:"shadow,omitzero"`
	// Warnings are what is legal in the policy in force and most likely not meant.
	Warnings []string `json:"warnings,omitempty"`
	// Checked is when the file was last judged, and Good when it last was
	// without fault.
	Checked time.Time `json:"checked"`
	Good    time.Time `json:"good"`
	// Err is what is wrong with the file, "" when nothing is.
	Err string `json:"err,omitzero"`
}

// builtIn stands for the file of a policy that only gives back reservations.
const builtIn = "(built in)"

// OpenPolicy reads the policy. A daemon that is started with a bad policy must
// not run: nobody would expect the one of a file that was never good.
func OpenPolicy(cfg SourceConfig) (*PolicySource, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &PolicySource{cfg: cfg, patience: 5 * time.Second, look: lookAt, reading: make(chan struct{}, 1)}
	if cfg.Path == "" && cfg.Reservations {
		p := policy.DefaultPolicy()
		s.use(&PolicyFile{Policy: &p, File: builtIn}, cfg.Now())
	}
	if cfg.Path == "" {
		return s, CheckMemoryRule(cfg.OffersMem, nil)
	}
	err := s.check(context.Background(), func(t sight) error {
		f, err := s.parse(t)
		if err == nil {
			s.use(f, cfg.Now())
		}
		return err
	}, true)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Current is the policy in force, nil for none.
func (s *PolicySource) Current() *policy.Policy {
	if f := s.current.Load(); f != nil {
		return f.Policy
	}
	return nil
}

// File is the policy in force with all that its file says, nil for none.
func (s *PolicySource) File() *PolicyFile { return s.current.Load() }

// Status is how it stands at this moment.
func (s *PolicySource) Status() PolicyStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Reload judges the file at once and takes it over when it is good. The error
// is also in the log and in Status. Without a policy file there is nothing to do.
func (s *PolicySource) Reload() error {
	if s.cfg.Path == "" {
		return nil
	}
	return s.check(context.Background(), s.judge, true)
}

// Run takes the file over whenever it changes, until ctx ends.
func (s *PolicySource) Run(ctx context.Context) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			if s.cfg.Path != "" {
				_ = s.check(ctx, s.judge, false) // it is in the log and in the status
			}
		}
	}
}

// check has the file looked at by a goroutine of its own and shows judge what
// it found: always, or only what has changed and changes no more. Where the
// file system does not answer in time, judge is shown that, and the goroutine
// ends when it does.
func (s *PolicySource) check(ctx context.Context, judge func(sight) error, always bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience, errSlow)
	defer cancel()
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return s.slow(ctx, judge, always)
	}
	seen, last := s.seen.id, s.last
	found, done := make(chan sight, 1), make(chan struct{})
	defer close(done)
	go func() {
		found <- s.look(s.cfg.Path, func(id identity) bool { return always || id != seen && id == last })
		<-done
		<-s.reading
	}()
	select {
	case t := <-found:
		before := s.seen
		if s.last = t.id; !t.read {
			return nil
		}
		s.seen = t
		if time.Since(time.Unix(t.id.changed.Unix())) < pollEvery {
			s.seen.id = identity{} // another change within the same tick of the kernel would look the same
		}
		if !always && t.same(&before) {
			return nil
		}
		return judge(t)
	case <-ctx.Done():
		s.seen = sight{err: errSlow}
		return s.slow(ctx, judge, always)
	}
}

// slow shows judge that the file system does not answer, once; nothing when
// nobody waits for it any more.
func (s *PolicySource) slow(ctx context.Context, judge func(sight) error, always bool) error {
	err := context.Cause(ctx)
	if !errors.Is(err, errSlow) || !always && s.Status().Err == err.Error() {
		return err
	}
	return judge(sight{err: err})
}

// judge takes t over, or says what is wrong with it.
func (s *PolicySource) judge(t sight) error {
	f, err := s.parse(t)
	now, log := s.cfg.Now(), s.cfg.Log.With("file", s.cfg.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Checked, s.status.Err = now, ""
	if err != nil {
		s.status.Err = err.Error()
		log.Error("policy refused, the one in force stays", "hash_in_force", s.status.Hash, "err", err)
		return err
	}
	s.status.Good = now
	if before := s.current.Load(); before != nil && before.Policy.Hash() == f.Policy.Hash() && reflect.DeepEqual(before.Hook, f.Hook) {
		// The same pointer: active rules stay active.
		log.Info("policy is unchanged", "hash", s.status.Hash)
		return nil
	}
	s.use(f, now)
	log.Info("policy replaced", "hash", s.status.Hash, "rules", s.status.Rules, "shadow", s.status.Shadow)
	for _, w := range s.status.Warnings {
		log.Warn("policy warning", "what", w)
	}
	return nil
}

// parse is the policy of a file that was read, good for these settings.
func (s *PolicySource) parse(t sight) (*PolicyFile, error) {
	f, err := t.parse(s.cfg.Path)
	if err == nil {
		err = CheckMemoryRule(s.cfg.OffersMem, f.Policy)
	}
	return f, err
}

// use puts f in force.
func (s *PolicySource) use(f *PolicyFile, now time.Time) {
	f.Policy.Fresh = s.cfg.Fresh
	if s.cfg.Reservations {
		with, err := signal.WithReservation(f.Policy)
		if err != nil { // two valid rules more than a valid policy
			s.cfg.Log.Error("reservations are not given back by a rule", "err", err)
		} else {
			f.Policy = with
		}
	}
	s.current.Store(f)
	s.status = PolicyStatus{
		File: f.File, Hash: f.Policy.Hash(), Since: now, Checked: now, Good: now,
		Rules: len(f.Policy.Rules), Shadow: f.Policy.Shadow,
	}
	for _, w := range f.Warnings {
		s.status.Warnings = append(s.status.Warnings, w.Error())
	}
}

// identity tells one state of a file from another without reading it.
type identity struct {
	dev, inode        uint64
	size              int64
	modified, changed unix.Timespec
	err               string
}

// sight is what was found when the file was looked at.
type sight struct {
	id identity
	// read: it was read too, and what follows is known.
	read bool
	data []byte
	err  error
}

// lookAt looks at a file, and reads it if its identity is wanted.
func lookAt(path string, wanted func(identity) bool) sight {
	var t sight
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.id = identity{err: err.Error()}
	} else {
		t.id = identity{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim, ""}
	}
	if wanted(t.id) {
		t.read = true
		t.data, t.err = ReadTrusted(path)
	}
	return t
}

func (t *sight) parse(path string) (*PolicyFile, error) {
	if t.err != nil {
		return nil, t.err
	}
	var unready *Error
	f, err := parsePolicyFile(path, t.data, func(h *Hook) (string, error) {
		key, err := judgeHook(h)
		if errors.Is(err, errUnready) {
			unready = &Error{Where: path, Key: key, Reason: err.Error() + "; nobody is told before a kill", Err: err}
			err = nil
		}
		return key, err
	})
	if unready != nil && err == nil {
		f.Warnings = append(f.Warnings, unready)
	}
	return f, err
}

// same reports whether u says the same.
func (t *sight) same(u *sight) bool {
	return t.read == u.read && bytes.Equal(t.data, u.data) && fmt.Sprint(t.err) == fmt.Sprint(u.err)
}
