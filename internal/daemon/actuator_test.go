package daemon

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/config"
)

// A journal that cannot be written is told of as that, and not as containers
// that stay throttled: there are none.
func TestCloseWithoutJournalSaysWhatIsWrong(t *testing.T) {
	cfg := config.Default()
	cfg.CgroupRoot = t.TempDir()
	cfg.JournalFile = filepath.Join(t.TempDir(), "none", "journal")
	a := actuator{log: slog.New(slog.DiscardHandler)}
	if err := a.open(&cfg); err != nil {
		t.Skip(err) // no cgroup file system here
	}
	err := a.close()
	if err == nil || !strings.HasPrefix(err.Error(), "journal of throttles: ") || strings.Contains(err.Error(), "stay throttled") {
		t.Errorf("got %v", err)
	}
}
