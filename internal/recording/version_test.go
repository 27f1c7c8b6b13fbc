package recording

import (
	"path/filepath"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// A file that an older build wrote: the first twelve ticks of newNode(3), as
// they are still made, without what came later.
func TestVersion1IsRead(t *testing.T) {
	n := newNode(3)
	var history []*snapshot.Snapshot
	for range 12 {
		history = append(history, clone(n.tick()))
	}
	check(t, filepath.Join("testdata", "version-1.estrec"), history)
}
