package agentapi

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/unixsocket"
)

// Each story is a list of steps at times after noon.
func TestOwnership(t *testing.T) {
	type step struct {
		at   time.Duration
		do   string // enter, leave, close
		id   string
		conn int
		// of enter: it is refused, or it took over from whom.
		refused bool
		took    bool
		from    string
	}
	const s = time.Second
	for name, steps := range map[string][]step{
		"the first agent": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: s, do: "leave", id: "a"},
			{at: 2 * s, do: "enter", id: "a", conn: 1},
		},
		"a second one while the first is connected": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: s, do: "leave", id: "a"},
			{at: 60 * s, do: "enter", id: "b", conn: 2, refused: true},
			{at: 61 * s, do: "enter", id: "a", conn: 1},
		},
		"the first hung up": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: s, do: "leave", id: "a"},
			{at: s, do: "close", conn: 1},
			{at: 2 * s, do: "enter", id: "b", conn: 2, took: true, from: "a"},
			{at: 3 * s, do: "enter", id: "a", conn: 3, refused: true},
		},
		"one of two connections is open": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: 0, do: "enter", id: "a", conn: 2},
			{at: s, do: "leave", id: "a"},
			{at: s, do: "leave", id: "a"},
			{at: s, do: "close", conn: 1},
			{at: 2 * s, do: "enter", id: "b", conn: 3, refused: true},
			{at: 2 * s, do: "close", conn: 2},
			{at: 3 * s, do: "enter", id: "b", conn: 3, took: true, from: "a"},
		},
		"connected, but silent": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: 10 * s, do: "leave", id: "a"},
			{at: 70 * s, do: "enter", id: "b", conn: 2, refused: true},
			{at: 70*s + 1, do: "enter", id: "b", conn: 2, took: true, from: "a"},
			{at: 71 * s, do: "leave", id: "a"}, // a call of before ends: not b's
			{at: 72 * s, do: "close", conn: 1},
			{at: 73 * s, do: "enter", id: "a", conn: 1, refused: true},
		},
		"a long poll is not silence": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: 300 * s, do: "enter", id: "b", conn: 2, refused: true},
		},
		"a connection that ended before its call was looked at": {
			{at: 0, do: "close", conn: 1},
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: 0, do: "leave", id: "a"},
			{at: s, do: "enter", id: "b", conn: 2, took: true, from: "a"},
		},
		"the same agent on a new connection": {
			{at: 0, do: "enter", id: "a", conn: 1, took: true},
			{at: s, do: "close", conn: 1},
			{at: s, do: "leave", id: "a"},
			{at: 2 * s, do: "enter", id: "a", conn: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := owner{timeout: time.Minute}
			conns := map[int]*conn{}
			for i, st := range steps {
				now := noon.Add(st.at)
				if conns[st.conn] == nil {
					conns[st.conn] = &conn{caller: &unixsocket.Peer{PID: int32(st.conn)}}
				}
				switch st.do {
				case "leave":
					o.leave(st.id, now)
				case "close":
					o.closed(conns[st.conn])
				case "enter":
					got, err := o.enter(st.id, conns[st.conn], now)
					var second *secondAgentError
					if errors.As(err, &second) != st.refused {
						t.Fatalf("step %d: err = %v, want refused %t", i, err, st.refused)
					}
					if got != (admitted{took: st.took, from: st.from}) {
						t.Fatalf("step %d: %+v", i, got)
					}
				}
			}
		})
	}
}

func TestRefusalNamesBothAgents(t *testing.T) {
	o := owner{timeout: time.Minute}
	if _, err := o.enter("first", &conn{caller: &unixsocket.Peer{PID: 11}}, noon); err != nil {
		t.Fatal(err)
	}
	_, err := o.enter("second", &conn{caller: &unixsocket.Peer{PID: 12, UID: 3}}, noon.Add(3*time.Second))
	if err == nil {
		t.Fatal("not refused")
	}
	for _, want := range []string{`agent "second" (pid 12 of uid 3)`, `serves agent "first"`, "heard of 3s ago"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
