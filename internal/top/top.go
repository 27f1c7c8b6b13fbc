// Package top shows in a terminal how things stand with the daemon, live: what is
// offered, the rules, the containers, the last kills, and the explanation of each.
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"github.com/estimatord/estimatord/internal/control"
)

// ErrNoTerminal says that there is nothing to draw on.
var ErrNoTerminal = errors.New("top needs a terminal; estimatord status prints once")

const (
	// framesPerSecond bounds how often the screen is drawn. Readings change once a
	// second, so it is how soon a key is seen.
	framesPerSecond = 10
	// retryEvery is how often a daemon that is away is called again.
	retryEvery = time.Second
)

// Run shows the daemon behind client on out until the user quits or ctx ends. A
// daemon that is not there is an error; one that goes away later is waited for.
func Run(ctx context.Context, client control.Client, in io.Reader, out io.Writer) error {
	if f, ok := out.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return ErrNoTerminal
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(ctx, client, st)
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(framesPerSecond))
	go follow(ctx, client, p.Send)
	if _, err := p.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("top: %w", err)
	}
	return nil
}

// away says why nothing is heard of the daemon.
type away struct{ err error }

// follow sends a *control.Status when more than readings has changed and each
// *control.Update, again and again until ctx ends.
func follow(ctx context.Context, client control.Client, send func(tea.Msg)) {
	for ctx.Err() == nil {
		st, err := client.Status(ctx)
		if err == nil {
			send(st)
			err = client.Follow(ctx, func(u *control.Update) error {
				if u.Revision != st.Revision {
					if st, err = client.Status(ctx); err != nil {
						return err
					}
					send(st)
				}
				send(u)
				return nil
			})
		}
		send(away{err})
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}
