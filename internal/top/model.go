package top

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// model is what is on the screen.
type model struct {
	ctx    context.Context //nolint:containedctx // that of the program, for the calls that keys lead to
	client control.Client

	width, height int
	// st is the newest Status, with the readings of each Update since; node are the
	// sums of the node, events what happened since the start.
	st     *control.Status
	node   []control.ResourceHistory
	events []control.Event
	// heard is when that was, lost why nothing is heard any more.
	heard time.Time
	lost  error

	orders []order
	by     int
	// reverse: the last comes first.
	reverse bool
	filter  string
	// typing: keys go to the filter.
	typing bool
	// kills: the table shows kills in the stead of containers.
	kills bool
	// rows and killed are what matches. marked is the row under the bar, key the
	// container that it is, so that the bar stays with it.
	rows   []*control.Container
	killed []explain.Killed
	marked int
	key    snapshot.Key
	// text is an explanation in the table's stead, "" for none, scrolled down by so
	// many lines.
	text     string
	scrolled int
}

func newModel(ctx context.Context, client control.Client, st *control.Status) *model {
	m := &model{ctx: ctx, client: client, orders: orders(), heard: time.Now()}
	m.take(st)
	return m
}

// clock is a second gone by.
type clock time.Time

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return clock(t) }) }

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return tick() }

// explained is the answer to a question.
type explained struct{ text string }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case clock:
		return m, tick()
	case *control.Status:
		m.heard, m.lost = time.Now(), nil
		m.take(msg)
	case *control.Update:
		m.heard, m.lost = time.Now(), nil
		m.update(msg)
	case away:
		m.lost = msg.err
	case explained:
		m.text, m.scrolled = printable.Text(msg.text), 0
	case tea.KeyPressMsg:
		cmd := m.press(msg)
		return m, cmd
	}
	return m, nil
}

// take takes a whole Status.
func (m *model) take(st *control.Status) {
	m.st = st
	m.list()
}

// update takes the readings of a tick.
func (m *model) update(u *control.Update) {
	m.st.Tick, m.st.Words = u.Tick, u.Words
	m.node = u.History.Resources
	m.events = append(m.events, u.History.Events...)
	m.events = m.events[max(0, len(m.events)-maxEvents):]
	newest := make(map[snapshot.Key]*control.ContainerHistory, len(u.History.Containers))
	for i := range u.History.Containers {
		newest[u.History.Containers[i].Key] = &u.History.Containers[i]
	}
	for i := range m.st.Containers {
		c := &m.st.Containers[i]
		if h := newest[c.Key]; h != nil {
			if v := last(h.Cores); !math.IsNaN(v) {
				c.CPU.Cores = snapshot.ValueOf(v)
			}
			if v := last(h.UnreclaimableBytes); !math.IsNaN(v) {
				c.Memory.UnreclaimableBytes = snapshot.CountOf(uint64(v))
			}
		}
	}
	m.list()
}

// maxEvents are remembered.
const maxEvents = 50

// last is the newest number, NaN for none.
func last(s control.Series) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return float64(s[len(s)-1])
}

// explanation is the text in lines that fit.
func (m *model) explanation() []string {
	return strings.Split(ansi.Wrap(strings.TrimRight(m.text, "\n"), m.width, ""), "\n")
}

// list makes the rows anew, with the bar where it was.
func (m *model) list() {
	m.rows = rowsOf(m.st, m.filter, m.orders[m.by], m.reverse)
	m.killed = m.killed[:0]
	for i := range m.st.Kills {
		k := &m.st.Kills[i]
		if strings.Contains(strings.ToLower(strings.Join(k.Cells(), " ")), strings.ToLower(m.filter)) {
			m.killed = append(m.killed, *k)
		}
	}
	for i := range m.count() {
		if m.keyOf(i) == m.key {
			m.marked = i
		}
	}
	m.mark(m.marked)
}

func (m *model) count() int {
	if m.kills {
		return len(m.killed)
	}
	return len(m.rows)
}

func (m *model) keyOf(i int) snapshot.Key {
	if m.kills {
		return m.killed[i].Key
	}
	return m.rows[i].Key
}

// mark puts the bar on a row, or on the nearest that there is.
func (m *model) mark(i int) {
	m.marked = max(0, min(i, m.count()-1))
	if m.count() > 0 {
		m.key = m.keyOf(m.marked)
	}
}

// press does what a key is for.
func (m *model) press(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if m.typing && key != "ctrl+c" {
		m.typed(key, msg.Text)
		return nil
	}
	if m.move(key) {
		return nil
	}
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "esc", "backspace", "left", "h":
		if m.text == "" {
			m.filter = ""
		}
		m.text = ""
	case "tab":
		m.kills, m.text = !m.kills, ""
	case "s":
		m.by = (m.by + 1) % len(m.orders)
	case "r":
		m.reverse = !m.reverse
	case "/":
		m.typing, m.text = true, ""
	case "o":
		return m.ask(m.client.ExplainOffer)
	case "enter", "right", "l":
		return m.explainMarked()
	}
	m.list()
	return nil
}

// typed takes a key that is part of the filter.
func (m *model) typed(key, text string) {
	switch key {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += printable.Text(text)
	}
	m.list()
}

// move moves the bar, or the explanation, and reports whether the key is for that.
func (m *model) move(key string) bool {
	page := max(1, m.tableHeight()-1)
	by, ok := map[string]int{
		"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -page, "pgdown": page, "space": page,
		"home": math.MinInt32, "g": math.MinInt32, "end": math.MaxInt32, "G": math.MaxInt32,
	}[key]
	switch {
	case !ok:
	case m.text != "":
		m.scrolled = max(0, min(m.scrolled+by, len(m.explanation())-m.tableHeight()))
	default:
		m.mark(m.marked + by)
	}
	return ok
}

// ask asks the daemon for an explanation, outside of the loop.
func (m *model) ask(question func(context.Context) (*control.Explanation, error)) tea.Cmd {
	return func() tea.Msg {
		e, err := question(m.ctx)
		if err != nil {
			return explained{err.Error()}
		}
		return explained{e.Text}
	}
}

// explainMarked asks about what is under the bar.
func (m *model) explainMarked() tea.Cmd {
	if m.text != "" || m.count() == 0 {
		return nil
	}
	id := m.key.ID
	if m.kills {
		return m.ask(func(ctx context.Context) (*control.Explanation, error) { return m.client.ExplainKill(ctx, id) })
	}
	about := details(m.rows[m.marked])
	return m.ask(func(ctx context.Context) (*control.Explanation, error) {
		e, err := m.client.ExplainWhyNot(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("%s\n%w", about, err)
		}
		e.Text = about + "\n" + e.Text
		return e, nil
	})
}
