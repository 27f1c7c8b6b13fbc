package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/config"
)

// Each directory of the daemon's own files that everybody may write to is told of
// at the start.
func TestWarnsOfDirectoriesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has something to lose")
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil { //nolint:gosec // this is what is warned of
		t.Fatal(err)
	}
	for setting, set := range map[string]func(*config.Config, string){
		"decisions.dir": func(c *config.Config, dir string) { c.Decisions.Dir = dir },
		"recording.dir": func(c *config.Config, dir string) { c.Recording.Dir = dir },
		"state_file":    func(c *config.Config, dir string) { c.StateFile = filepath.Join(dir, "state") },
		"journal_file":  func(c *config.Config, dir string) { c.JournalFile = filepath.Join(dir, "journal") },
	} {
		for dir, want := range map[string]int{open: 1, t.TempDir(): 0} {
			cfg := config.Default()
			cfg.JournalFile = config.Off
			set(&cfg, dir)
			var log strings.Builder
			warnOfOthers(&cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if got := strings.Count(log.String(), "setting="+setting); got != want {
				t.Errorf("%s in %s: %d warnings, want %d: %s", setting, dir, got, want, log.String())
			}
		}
	}
}
