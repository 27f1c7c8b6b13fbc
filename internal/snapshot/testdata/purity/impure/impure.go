// Package impure breaks the rules for pure packages.
package impure

import (
	"golang.org/x/sys/unix"
	"os"
	clock "time"

	"github.com/estimatord/estimatord/through"
)

func age() (int, clock.Duration) {
	return os.Getpid(), clock.Since(clock.Now().Add(through.Wait))
}

var _ = unix.Getpid
