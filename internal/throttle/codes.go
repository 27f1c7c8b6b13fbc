package throttle

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/reason"
)

// How a setting stands. Each is a row of the table in docs/internals/throttling.md.
const (
	// Applied: the file holds what was asked for.
	Applied reason.Code = "applied"
	// PartialNested: applied, but the container has nested containers with
	// cgroups of their own, which this file does not reach.
	PartialNested reason.Code = "partial_nested"
	// Approaching: memory.high comes down to what was asked for in steps.
	Approaching reason.Code = "approaching"
	// Freezing: not all of its tasks have stopped yet.
	Freezing reason.Code = "freezing"
	// NotNeeded: what is there already does as much as was asked for.
	NotNeeded reason.Code = "not_needed"
	// Boosted: the container dies, and has the weight to do so.
	Boosted reason.Code = "boosted"
	// BoostExpired: the container has not died in time and lost its boost.
	BoostExpired reason.Code = "boost_expired"
	// Released: no longer wanted, and restored or overwritten.
	Released reason.Code = "released"

	// AgentOwnsQuota: the agent set a quota, which is left alone.
	AgentOwnsQuota reason.Code = "agent_owns_quota"
	// ThawedByOther: somebody else thawed it, as an agent does that destroys
	// it; it is not frozen again.
	ThawedByOther reason.Code = "thawed_by_other"
	// HandedOver: it was killed, and its freezer is the agent's since.
	HandedOver reason.Code = "handed_over"
	// Unfreezable: some task would not stop, so all of it runs again.
	Unfreezable reason.Code = "unfreezable"
	// FrozenByOther: it was frozen already, so that thawing is not ours.
	FrozenByOther reason.Code = "frozen_by_other"
	// NoController: the controller is not mounted.
	NoController reason.Code = "no_controller"
	// NoFile: the container has no such file, or no leaf.
	NoFile reason.Code = "no_file"
	// Denied: no right to read or write it.
	Denied reason.Code = "denied"
	// Refused: the kernel did not take the value.
	Refused reason.Code = "refused"
	// Malformed: the file holds what the kernel documents nowhere.
	Malformed reason.Code = "malformed"
	// Raced: the file changed between looking and writing; the next call goes on.
	Raced reason.Code = "raced"
	// Vanished: the container is gone.
	Vanished reason.Code = "vanished"
	// Recreated: its name belongs to another cgroup now.
	Recreated reason.Code = "recreated"
	// NoJournal: without a journal a throttle would outlive a crash.
	NoJournal reason.Code = "no_journal"
	// JournalFailed: the journal could not be written, so nothing was throttled.
	JournalFailed reason.Code = "journal_failed"
	// Failed: another error of the system.
	Failed reason.Code = "failed"
)

// Classes of errors of this package.
var (
	// ErrJournal: a journal that cannot be read.
	ErrJournal = errors.New("unreadable journal")
	// ErrLeft: a file could not be restored.
	ErrLeft = errors.New("not restored")
)

// codeOf is the code of a failed system call.
func codeOf(errno unix.Errno) reason.Code {
	switch {
	case errors.Is(errno, fs.ErrNotExist), errno == unix.ENOTDIR:
		return NoFile
	case errno == unix.ENODEV:
		return Vanished
	case errors.Is(errno, fs.ErrPermission), errno == unix.EROFS:
		return Denied
	case errno == unix.EINVAL, errno == unix.ERANGE, errno == unix.EBUSY, errno == unix.EOPNOTSUPP:
		return Refused
	}
	return Failed
}

// isFault reports whether code is counted as a failure.
func isFault(code reason.Code) bool {
	switch code {
	case Denied, Refused, Malformed, Failed, JournalFailed:
		return true
	}
	return false
}
