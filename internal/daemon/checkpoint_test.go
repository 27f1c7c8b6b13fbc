package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// observed lets est see one tick at time at.
func observed(t *testing.T, est estimator.Estimator, at time.Time) {
	t.Helper()
	e := snapshot.Executor{ContainerID: "web", Class: snapshot.ClassRegular}
	e.Regular.Set(resources.CPUs, 2000)
	s := &snapshot.Snapshot{
		Seq: 1, At: at, TreeWhy: snapshot.Present,
		Usage: &snapshot.Usage{At: at, Agent: "a", Executors: []snapshot.Executor{e}},
		Host:  snapshot.Host{At: at, CPUs: snapshot.CountOf(4), BusyCores: snapshot.ValueOf(1)},
	}
	c := snapshot.Container{Key: snapshot.Key{ID: "web", Inode: 1}, OnDisk: true, FirstSeen: at.Add(-time.Hour), At: at}
	c.CPU.Cores, c.Executor = snapshot.ValueOf(1), &s.Usage.Executors[0]
	s.Containers = []snapshot.Container{c}
	if o := est.Estimate(s); len(o.Resources) != 1 || o.Resources[0].Usage != 1000 {
		t.Fatalf("the tick was not seen: %+v", o.Resources)
	}
}

func defaultEstimator(t *testing.T) estimator.Estimator {
	t.Helper()
	cfg := config.Default()
	est, err := NewEstimator(&cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	return est
}

func TestWhatWasLearnedSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	at := time.Now()

	first := defaultEstimator(t)
	st := openCheckpoint(path, first, at, log)
	observed(t, first, at)
	st.stop()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("state file: %v, %v; want mode 0600", info, err)
	}
	openCheckpoint(path, defaultEstimator(t), at.Add(time.Minute), log)
	for _, want := range []string{"nothing learned yet", "goes on from what was learned", "age=1m0s"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, text.String())
		}
	}
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestAStateFileThatCannotBeUsedCostsNoStart(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"garbage": "{", "empty": "", "another version": `{"version":99,"at":"2020-01-01T00:00:00Z"}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		est := defaultEstimator(t)
		st := openCheckpoint(path, est, time.Now(), slog.New(slog.NewTextHandler(&log, nil)))
		if st == nil || !strings.Contains(log.String(), "learned anew") {
			t.Errorf("%s: state %v, log %q", name, st, log.String())
		}
		observed(t, est, time.Now())
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := readCheckpoint(filepath.Join(dir, "directory")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory as state file: %v", err)
	}
	est := defaultEstimator(t)
	var log strings.Builder
	st := openCheckpoint(filepath.Join(dir, "none", "state.json"), est, time.Now(), slog.New(slog.NewTextHandler(&log, nil)))
	observed(t, est, time.Now())
	st.stop()
	if !strings.Contains(log.String(), "could not be saved") {
		t.Errorf("an unwritable place is not told: %q", log.String())
	}
}

func TestStateIsSavedEveryFewMinutes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	at := time.Now()
	est := defaultEstimator(t)
	st := openCheckpoint(path, est, at, slog.New(slog.DiscardHandler))
	observed(t, est, at)
	st.Watch(&snapshot.Snapshot{At: at.Add(saveEvery - time.Second)})
	st.writes.Wait()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saved before its time: %v", err)
	}
	st.Watch(&snapshot.Snapshot{At: at.Add(saveEvery)})
	st.writes.Wait()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("not saved in time: %v", err)
	}
}

func TestNothingIsKeptWithoutAPath(t *testing.T) {
	t.Chdir(t.TempDir())
	est := defaultEstimator(t)
	st := openCheckpoint("", est, time.Now(), slog.New(slog.DiscardHandler))
	observed(t, est, time.Now())
	st.Watch(&snapshot.Snapshot{At: time.Now().Add(saveEvery)})
	st.stop()
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v; want none", files, err)
	}
}

// Kills that count in the budget survive even a crash, with an estimator that
// learns nothing, too.
func TestKillsInTheBudgetSurviveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	log := slog.New(slog.DiscardHandler)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tick := func(st *checkpoint, n, kills, used int) {
		now := at.Add(time.Duration(n) * time.Second)
		st.Observe(&decision.Record{At: now, QoS: qos.Decision{Kills: make([]qos.Victim, kills), Budget: qos.BudgetState{Used: used}}})
		st.Watch(&snapshot.Snapshot{At: now})
		st.writes.Wait()
	}
	st := openCheckpoint(path, estimator.NewNoop(), at, log)
	tick(st, 1, 1, 1)
	tick(st, 2, 0, 1)
	tick(st, 3, 2, 3)
	// The first one is too long ago to count by now.
	tick(st, 4, 1, 3)

	want := []time.Time{at.Add(3 * time.Second), at.Add(3 * time.Second), at.Add(4 * time.Second)}
	again := openCheckpoint(path, estimator.NewNoop(), at.Add(time.Minute), log)
	if !slices.EqualFunc(again.kills, want, time.Time.Equal) {
		t.Errorf("kills %v, want %v", again.kills, want)
	}
	// An operator resets the budget; the next kill is the only one.
	tick(again, 5, 0, 0)
	tick(again, 6, 1, 1)
	if third := openCheckpoint(path, defaultEstimator(t), at, log); len(third.kills) != 1 {
		t.Errorf("kills %v, want one", third.kills)
	}
}
