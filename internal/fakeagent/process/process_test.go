package process

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	l := parse(`{"level":"WARN","msg":"kill","executor":"hog-1","new":1}`)
	if l.Level != "WARN" || l.Msg != "kill" || l.Executor != "hog-1" {
		t.Errorf("read %+v", l)
	}
	for _, text := range []string{"panic: no JSON", `{"msg":"cut`, `{"msg":1}`, ""} {
		if l := parse(text); l != (Line{Text: text}) {
			t.Errorf("%q is %+v, want its text alone", text, l)
		}
	}
}

// serves is a daemon that says that it serves, and then does what is asked.
func serves(then string) *exec.Cmd {
	return exec.Command("sh", "-c", `echo '{"msg":"metrics","listen":"127.0.0.1:1"}' >&2; `+then)
}

func start(t *testing.T, cmd *exec.Cmd, watch func(Line)) (*Process, error) {
	t.Helper()
	return Start(t.Context(), cmd, watch)
}

func TestStop(t *testing.T) {
	var seen []string
	p, err := start(t, serves(`trap 'exit 0' TERM; echo '{"msg":"ready"}' >&2; while :; do sleep 0.01; done`), func(l Line) { seen = append(seen, l.Msg) })
	if err != nil {
		t.Fatal(err)
	}
	if p.Address != "127.0.0.1:1" {
		t.Errorf("it serves at %q", p.Address)
	}
	if _, err := p.Await(t.Context(), func(l Line) bool { return l.Msg == "ready" }); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(seen, []string{"metrics", "ready"}) {
		t.Errorf("watched %q", seen)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("a daemon that is gone cannot be stopped: %v", err)
	}
}

func TestDaemonThatFails(t *testing.T) {
	_, err := start(t, exec.Command("sh", "-c", "echo 'no such socket' >&2; exit 3"), nil)
	if !errors.Is(err, ErrDaemon) || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such socket") {
		t.Errorf("a daemon that does not start gives %v", err)
	}
	if _, err := start(t, exec.Command("/nonexistent"), nil); !errors.Is(err, ErrDaemon) {
		t.Errorf("a daemon that is not there gives %v", err)
	}
	p, err := start(t, serves("exit 0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if err := p.Died(); !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("it ended with %v", err)
	}
	p, err = start(t, serves(`trap 'exit 4' TERM; while :; do sleep 0.01; done`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil {
		t.Error("a bad end was not noticed")
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	p, err := start(t, serves("exec sleep 60"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := p.Await(ctx, func(Line) bool { return false }); !errors.Is(err, cause) {
		t.Errorf("ended with %v", err)
	}
}
