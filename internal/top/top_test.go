package top

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// container is one of an executor with one task, which uses so many cores, NaN when
// they cannot be read.
func container(id, task string, class snapshot.Class, cores float64, old time.Duration) control.Container {
	c := control.Container{Container: snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: 1}, OnDisk: true, FirstSeen: at.Add(-old),
		Executor: &snapshot.Executor{
			ExecutorID: "e-" + id, FrameworkID: "f1", Class: class, Tasks: []snapshot.Task{{ID: task}},
			Regular: resources.Quantities{{Name: resources.CPUs, Amount: 1000}},
		},
	}}
	c.CPU.Cores = snapshot.Value{Why: snapshot.Malformed}
	if !math.IsNaN(cores) {
		c.CPU.Cores = snapshot.ValueOf(cores)
	}
	return c
}

// shown is a model of some containers, with a bar under the first.
func shown(t *testing.T) *model {
	t.Helper()
	hog := container("c-hog", "hog\x1b[2J 日本", snapshot.ClassRevocable, 0.5, time.Hour)
	hog.Applied = []throttle.Setting{{Name: "quota"}}
	st := &control.Status{
		Daemon: control.Daemon{Version: "v1", Mode: "usage"}, Tick: &decision.Record{At: at, Offer: estimator.Offer{Resources: []estimator.ResourceOffer{{Resource: resources.CPUs, Offered: 1500}}}},
		Containers: []control.Container{
			container("c-web", "web", snapshot.ClassRegular, 2, time.Minute), hog,
			container("c-dark", "dark", snapshot.ClassRegular, math.NaN(), 2*time.Hour),
		},
		Kills: []explain.Killed{{Identity: qos.Identity{Key: snapshot.Key{ID: "c-gone"}, ExecutorID: "e", Cause: qos.Cause{Text: "busy: too much"}}, At: at}},
	}
	m := newModel(t.Context(), "", st)
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	return m
}

func (m *model) keys(keys ...string) {
	special := map[string]tea.KeyPressMsg{"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "down": {Code: tea.KeyDown}, "end": {Code: tea.KeyEnd}}
	for _, k := range keys {
		msg, ok := special[k]
		if !ok {
			msg = tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
		}
		m.Update(msg)
	}
}

func (m *model) ids() (ids []string) {
	for i := range m.rows {
		ids = append(ids, m.rows[i].ID)
	}
	return ids
}

func TestRowsAreSortedAndFiltered(t *testing.T) {
	m := shown(t)
	for _, step := range []struct {
		keys []string
		want []string
	}{
		{nil, []string{"c-web", "c-hog", "c-dark"}},
		{[]string{"r"}, []string{"c-dark", "c-hog", "c-web"}},
		{[]string{"r", "s", "s", "s"}, []string{"c-dark", "c-hog", "c-web"}}, // by name
		{[]string{"s", "s"}, []string{"c-web", "c-hog", "c-dark"}},           // youngest
		{[]string{"/", "H", "O", "G"}, []string{"c-hog"}},
		{[]string{"enter", "esc"}, []string{"c-web", "c-hog", "c-dark"}},
		{[]string{"/", "q", "u", "o", "t", "a", "enter"}, []string{"c-hog"}}, // by state; q is text
	} {
		m.keys(step.keys...)
		if got := m.ids(); !slices.Equal(got, step.want) {
			t.Errorf("%q: %q, want %q", step.keys, got, step.want)
		}
	}
}

// The bar stays with its container when others overtake it or go.
func TestTheBarStays(t *testing.T) {
	m := shown(t)
	m.keys("down")
	update := &control.Update{Tick: m.st.Tick, History: &control.History{Containers: []control.ContainerHistory{
		{Key: snapshot.Key{ID: "c-hog", Inode: 1}, Cores: control.Series{3}, UnreclaimableBytes: control.Series{float32(math.NaN())}},
	}}}
	m.Update(update)
	if m.marked != 0 || m.key.ID != "c-hog" || cores(m.rows[0]) != 3 {
		t.Errorf("the bar is under %d, %s: %+v", m.marked, m.key.ID, m.rows[0])
	}
	st := *m.st
	st.Containers = st.Containers[:1]
	m.Update(&st)
	if m.marked != 0 || m.key.ID != "c-web" {
		t.Errorf("when it is gone the bar is under %d, %s", m.marked, m.key.ID)
	}
	m.keys("end", "tab", "down")
	if m.key.ID != "c-gone" {
		t.Errorf("of the kills it is under %s", m.key.ID)
	}
}

// Whatever is shown fits, whatever the size, and no text moves the cursor.
func TestViewFits(t *testing.T) {
	m := shown(t)
	for _, size := range [][2]int{{80, 24}, {200, 50}, {20, 5}, {1, 1}, {300, 3}} {
		for _, state := range []func(){
			func() {}, func() { m.keys("tab") }, func() { m.keys("tab") },
			func() { m.Update(explained{strings.Repeat("a long word ", 40) + "\x1b[2J"}) }, func() { m.keys("esc") },
			func() { m.Update(away{errors.New("gone")}) },
		} {
			state()
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			content := m.View().Content
			if n := strings.Count(content, "\n") + 1; n > size[1] {
				t.Errorf("%v: %d lines", size, n)
			}
			for line := range strings.Lines(content) {
				if n := ansi.StringWidth(line); n > size[0] {
					t.Errorf("%v: %d columns: %q", size, n, line)
				}
			}
			if strings.Contains(content, "\x1b[2J") {
				t.Errorf("a name clears the screen: %q", content)
			}
		}
	}
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	for _, want := range []string{"NO DAEMON", "gone", "web", "quota", "malformed", "1.5 CPUs"} {
		if !strings.Contains(m.View().Content, want) {
			t.Errorf("the screen lacks %q:\n%s", want, m.View().Content)
		}
	}
}

func TestFit(t *testing.T) {
	for text, want := range map[string]string{"ab": "ab    ", "task-000-1": "tas…-1", "日本日本": "日…本 ", "": "      "} {
		if got := fit(text, 6); ansi.StringWidth(got) > 6 || strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNoTerminal(t *testing.T) {
	if err := Run(t.Context(), "/none", nil, &bytes.Buffer{}); !errors.Is(err, ErrNoTerminal) {
		t.Error(err)
	}
}
