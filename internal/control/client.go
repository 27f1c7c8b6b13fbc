package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
)

// Client calls the daemon behind the operator's socket of that path.
type Client string

// Status asks how things stand.
func (c Client) Status(ctx context.Context) (*Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus)
}

// Pause stops the daemon's actions.
func (c Client) Pause(ctx context.Context) (*PauseReply, error) {
	return ask[PauseReply](ctx, c, http.MethodPost, pathPause)
}

// Resume ends a pause.
func (c Client) Resume(ctx context.Context) (*PauseReply, error) {
	return ask[PauseReply](ctx, c, http.MethodPost, pathResume)
}

// ResetBudget forgets the kills so far.
func (c Client) ResetBudget(ctx context.Context) (*ResetReply, error) {
	return ask[ResetReply](ctx, c, http.MethodPost, pathResetBudget)
}

// ask makes one call, and says in plain words when that does not work.
func ask[Reply any](ctx context.Context, c Client, method, path string) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://estimatord"+path, http.NoBody)
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
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(body, &f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		if resp.StatusCode == http.StatusForbidden {
			return nil, fmt.Errorf("%w: %s", ErrRefused, f.Error)
		}
		return nil, errors.New(f.Error)
	}
	reply := new(Reply)
	if err := json.Unmarshal(body, reply); err != nil {
		return nil, fmt.Errorf("the daemon's answer is not understood, is it of another version? %w", err)
	}
	return reply, nil
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
