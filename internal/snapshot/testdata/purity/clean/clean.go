// Package clean uses time as a type, and has a method of a clock's name.
package clean

import "time"

type timer struct{ at time.Time }

func (t timer) Now() time.Time { return t.at }

func use(t timer) bool { return t.Now().After(time.Time{}) }
