package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

var (
	// ErrNoDaemon says that nobody serves the socket.
	ErrNoDaemon = errors.New("no daemon answers")
	// ErrRefused says that the caller may not call.
	ErrRefused = errors.New("not permitted")
)

const (
	// callWait bounds a call: the daemon answers from memory.
	callWait = 5 * time.Second
	// maxReplyBytes is far above a Status of the largest node.
	maxReplyBytes = 64 << 20
	// maxFailureBytes is far above any failure.
	maxFailureBytes = 64 << 10
)

// Client calls the daemon behind the operator's socket of that path.
type Client string

// Status asks how things stand.
func (c Client) Status(ctx context.Context) (*Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus)
}

// History asks how things went in the window up to now.
func (c Client) History(ctx context.Context, window time.Duration) (*History, error) {
	return ask[History](ctx, c, http.MethodGet, pathHistory+"?window="+window.String())
}

// ExplainOffer asks why the offer is what it is.
func (c Client) ExplainOffer(ctx context.Context) (*Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodGet, pathOffer)
}

// ExplainKill asks why the container that name names was killed: by its id or the
// beginning of it, its executor or one of its tasks.
func (c Client) ExplainKill(ctx context.Context, name string) (*Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodGet, pathKill+url.PathEscape(name))
}

// ExplainWhyNot asks why the container that name names is not killed.
func (c Client) ExplainWhyNot(ctx context.Context, name string) (*Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodGet, pathWhyNot+url.PathEscape(name))
}

// ErrDropped says that the daemon sends no more updates to this caller.
var ErrDropped = errors.New("dropped")

// Follow calls each with every update until ctx ends, each fails, or the daemon
// ends it.
func (c Client) Follow(ctx context.Context, each func(*Update) error) error {
	resp, err := c.call(ctx, http.MethodGet, pathEvents)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	event := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return errors.Join(ctx.Err(), c.unreachable(err))
		}
		name, data, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case name == "event":
			event = data
		case name == "data" && event == "dropped":
			return fmt.Errorf("%w: %s", ErrDropped, failureIn([]byte(data), "no reason"))
		case name == "data":
			u := &Update{}
			if err := json.Unmarshal([]byte(data), u); err != nil {
				return fmt.Errorf("%w %w", errNotUnderstood, err)
			}
			if err := each(u); err != nil {
				return err
			}
		}
	}
}

// Pause stops the daemon's actions.
// It lasts for length and outlasts a restart; without one it lasts until resume, and
// outlasts a restart if kept.
func (c Client) Pause(ctx context.Context, length time.Duration, kept bool) (*PauseReply, error) {
	query := url.Values{}
	if length != 0 {
		query.Set("for", length.String())
	}
	if kept {
		query.Set("kept", "true")
	}
	return ask[PauseReply](ctx, c, http.MethodPost, pathPause+"?"+query.Encode())
}

// Resume ends a pause.
func (c Client) Resume(ctx context.Context) (*PauseReply, error) {
	return ask[PauseReply](ctx, c, http.MethodPost, pathResume)
}

// ResetBudget forgets the kills so far.
func (c Client) ResetBudget(ctx context.Context) (*ResetReply, error) {
	return ask[ResetReply](ctx, c, http.MethodPost, pathResetBudget)
}

var errNotUnderstood = errors.New("the daemon's answer is not understood, is it of another version?")

// ask makes one call, and says in plain words when that does not work.
func ask[Reply any](ctx context.Context, c Client, method, path string) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	resp, err := c.call(ctx, method, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return nil, c.unreachable(err)
	}
	reply := new(Reply)
	if err := json.Unmarshal(body, reply); err != nil {
		return nil, fmt.Errorf("%w %w", errNotUnderstood, err)
	}
	return reply, nil
}

// call makes one call whose answer is good.
func (c Client) call(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", string(c))
	}}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxFailureBytes)) // what there is of it
	_ = resp.Body.Close()
	why := failureIn(body, resp.Status)
	if resp.StatusCode == http.StatusForbidden {
		return nil, fmt.Errorf("%w: %s", ErrRefused, why)
	}
	return nil, errors.New(why)
}

// failureIn is what a body says, or otherwise.
func failureIn(body []byte, otherwise string) string {
	var f failure
	if json.Unmarshal(body, &f) != nil || f.Error == "" {
		return otherwise
	}
	return f.Error
}

func (c Client) unreachable(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: there is no socket %s (is estimatord running, and operator_socket the same there?)", ErrNoDaemon, string(c))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: it was left behind by a daemon that is gone", ErrNoDaemon, string(c))
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: %s is for root and the daemon's own user", ErrRefused, string(c))
	default:
		return fmt.Errorf("%w on %s: %w", ErrNoDaemon, string(c), err)
	}
}
