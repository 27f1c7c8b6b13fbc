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

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/agentapi"
	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/statefile"
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
	if o := est.Estimate(s, nil); len(o.Resources) != 1 || o.Resources[0].Usage != 1000 {
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

func checkpointOf(t *testing.T, path string, est estimator.Estimator, now time.Time, log *slog.Logger) *checkpoint {
	t.Helper()
	c, err := openCheckpoint(path, est, now, log)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settled waits for a write that is under way.
func settled(c *checkpoint) {
	c.busy <- struct{}{}
	<-c.busy
}

func TestWhatWasLearnedSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	at := time.Now()

	first := defaultEstimator(t)
	st := checkpointOf(t, path, first, at, log)
	observed(t, first, at)
	st.close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("state file: %v, %v; want mode 0600", info, err)
	}
	checkpointOf(t, path, defaultEstimator(t), at.Add(time.Minute), log).close()
	for _, want := range []string{"nothing learned yet", "goes on from what was learned"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, text.String())
		}
	}
	left, err := filepath.Glob(path + ".new*")
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
		st := checkpointOf(t, path, est, time.Now(), slog.New(slog.NewTextHandler(&log, nil)))
		if st == nil || !strings.Contains(log.String(), "learned anew") {
			t.Errorf("%s: state %v, log %q", name, st, log.String())
		}
		observed(t, est, time.Now())
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpointOf(t, filepath.Join(dir, "directory"), defaultEstimator(t), time.Now(), slog.New(slog.DiscardHandler)).read(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory as state file: %v", err)
	}
	est := defaultEstimator(t)
	var log strings.Builder
	st := checkpointOf(t, filepath.Join(dir, "none", "state.json"), est, time.Now(), slog.New(slog.NewTextHandler(&log, nil)))
	observed(t, est, time.Now())
	st.close()
	if !strings.Contains(log.String(), "cannot be saved") {
		t.Errorf("an unwritable place is not told: %q", log.String())
	}
}

func TestStateIsSavedEveryFewMinutes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	at := time.Now()
	est := defaultEstimator(t)
	st := checkpointOf(t, path, est, at, slog.New(slog.DiscardHandler))
	observed(t, est, at)
	st.Observe(&decision.Record{}, &snapshot.Snapshot{At: at.Add(saveEvery - time.Second)})
	settled(st)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saved before its time: %v", err)
	}
	st.Observe(&decision.Record{}, &snapshot.Snapshot{At: at.Add(saveEvery)})
	settled(st)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("not saved in time: %v", err)
	}
}

func TestNothingIsKeptWithoutAPath(t *testing.T) {
	t.Chdir(t.TempDir())
	est := defaultEstimator(t)
	st := checkpointOf(t, "", est, time.Now(), slog.New(slog.DiscardHandler))
	observed(t, est, time.Now())
	st.Observe(&decision.Record{}, &snapshot.Snapshot{At: time.Now().Add(saveEvery)})
	st.close()
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v; want none", files, err)
	}
}

// crash is what the end of a process does: the lock goes, nothing is saved.
func crash(t *testing.T, c *checkpoint) {
	t.Helper()
	settled(c)
	if err := c.file.Close(); err != nil {
		t.Fatal(err)
	}
}

func victimOf(t *testing.T, key snapshot.Key) qos.Victim {
	t.Helper()
	e := &snapshot.Executor{ContainerID: key.ID, FrameworkID: "f", ExecutorID: "e", Class: snapshot.ClassRevocable}
	e.Revocable.Set(resources.CPUs, 1000)
	v, err := qos.NewVictim(&snapshot.Container{Key: key, OnDisk: true, Executor: e}, qos.Cause{Rule: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What decisions must not forget survives even a crash right after a kill was
// decided, with an estimator that learns nothing, too.
func TestKillsInTheBudgetSurviveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	log := slog.New(slog.DiscardHandler)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	resume := func(kills ...time.Time) qos.Resume {
		return qos.Resume{
			Clock: snapshot.Steady{At: at, Uptime: time.Hour}, Kills: kills, BreakerOpenSince: at, LastGone: at.Add(-time.Second),
			UnderWay: []qos.InFlight{{Key: snapshot.Key{ID: "hog", Inode: 1}, Since: at}},
		}
	}
	st := checkpointOf(t, path, estimator.NewNoop(), at, log)
	st.keep(resume(at.Add(-time.Minute)))
	want := resume(at.Add(-time.Minute), at)
	st.keep(want)
	st.save()
	crash(t, st)

	again := checkpointOf(t, path, estimator.NewNoop(), at.Add(time.Minute), log)
	if diff := cmp.Diff(want, again.resume); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// An operator resets the budget, which is saved without a kill.
	again.keep(qos.Resume{Clock: want.Clock})
	again.Observe(&decision.Record{}, &snapshot.Snapshot{At: at})
	crash(t, again)
	if third := checkpointOf(t, path, defaultEstimator(t), at, log); len(third.resume.Kills) != 0 || !third.resume.BreakerOpenSince.IsZero() {
		t.Errorf("after a reset: %+v", third.resume)
	}
}

func TestTwoDaemonsDoNotShareAStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	log := slog.New(slog.DiscardHandler)
	defer checkpointOf(t, path, estimator.NewNoop(), time.Now(), log).close()
	if _, err := openCheckpoint(path, estimator.NewNoop(), time.Now(), log); !errors.Is(err, statefile.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
}

// A kill that was decided right before a crash counts as in flight after it
// until its container is gone, and one that the agent was told of is dying.
func TestKillsInFlightSurviveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	log := slog.New(slog.DiscardHandler)
	at := time.Now()
	told, untold := snapshot.Key{ID: "told", Inode: 7}, snapshot.Key{ID: "untold", Inode: 8}
	first := checkpointOf(t, path, estimator.NewNoop(), at, log)
	first.keep(qos.Resume{UnderWay: []qos.InFlight{{Key: told, Since: at}}})
	first.save()
	first.tell(victimOf(t, told))
	first.Observe(&decision.Record{}, &snapshot.Snapshot{At: at})
	first.keep(qos.Resume{UnderWay: []qos.InFlight{{Key: told, Since: at}, {Key: untold, Since: at}}})
	first.save()
	crash(t, first)

	second := checkpointOf(t, path, estimator.NewNoop(), at.Add(2*time.Second), log)
	srv, err := agentapi.New(agentapi.DefaultConfig(), log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(srv, second, nil, log)
	see := func(after time.Duration, keys ...snapshot.Key) (inFlight, dying []string) {
		s := &snapshot.Snapshot{At: at.Add(after), TreeWhy: snapshot.Present}
		for _, key := range keys {
			e := &snapshot.Executor{ContainerID: key.ID, FrameworkID: "f", ExecutorID: "e", Class: snapshot.ClassRevocable}
			e.Revocable.Set(resources.CPUs, 1000)
			s.Containers = append(s.Containers, snapshot.Container{Key: key, OnDisk: true, Executor: e})
		}
		a.Observe(s)
		for _, k := range a.InFlight() {
			inFlight = append(inFlight, k.ID)
		}
		for _, v := range a.Dying() {
			dying = append(dying, v.Key().ID)
		}
		return inFlight, dying
	}
	for _, step := range []struct {
		after           time.Duration
		there           []snapshot.Key
		inFlight, dying []string
	}{
		{3 * time.Second, []snapshot.Key{told, untold}, []string{"told", "untold"}, []string{"told"}},
		{4 * time.Second, []snapshot.Key{{ID: "told", Inode: 99}, untold}, []string{"untold"}, nil}, // another container of that name
		{3*time.Second + resumeFor + time.Second, []snapshot.Key{untold}, nil, nil},
	} {
		inFlight, dying := see(step.after, step.there...)
		if !slices.Equal(inFlight, step.inFlight) || !slices.Equal(dying, step.dying) {
			t.Errorf("after %s: in flight %v, dying %v; want %v, %v", step.after, inFlight, dying, step.inFlight, step.dying)
		}
	}
	second.keep(qos.Resume{})
	second.close()
	if third := checkpointOf(t, path, estimator.NewNoop(), at, log); len(third.restored.HandedOver)+len(third.restored.Decisions.UnderWay) != 0 {
		t.Errorf("under way for ever: %+v", third.restored)
	}
}
