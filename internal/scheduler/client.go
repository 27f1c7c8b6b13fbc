// Package scheduler is a client of the Mesos scheduler API, version 1: JSON over
// HTTP, with a stream of events in RecordIO.
package scheduler

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	schedulerPath = "/api/v1/scheduler"
	operatorPath  = "/api/v1"
	streamID      = "Mesos-Stream-Id"
	// mostHops is how often one request follows a redirect: each master of an
	// ensemble once, and more than any has.
	mostHops = 8
	// mostAnswer bounds what is read of an answer, in bytes.
	mostAnswer = 256 << 20
)

var (
	// ErrLeader is that the leading master was not found, or is not ready. It may be
	// another time.
	ErrLeader = errors.New("no leading master")
	// ErrStreamEnded is that the subscription is over and may be renewed.
	ErrStreamEnded = errors.New("the master ended the stream")
)

// StatusError is an answer that says no.
type StatusError struct {
	URL    string
	Status int
	// Text is the master's.
	Text string
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s answered %d %s: %s", e.URL, e.Status, http.StatusText(e.Status), strings.TrimSpace(e.Text))
}

// passes reports whether the master is about to lead, or not leading any more.
func (e *StatusError) passes() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusTemporaryRedirect || e.Status >= 500
}

// ended reports whether the subscription is over for the master.
func (e *StatusError) ended() bool {
	return e.passes() || e.Status == http.StatusBadRequest && (strings.Contains(e.Text, "stream ID") ||
		strings.Contains(e.Text, "Framework cannot be found") || strings.Contains(e.Text, "not subscribed"))
}

// Client talks to the leading master.
type Client struct {
	Masters Masters
	// Principal and Secret are for HTTP's basic authentication; "" for none.
	Principal, Secret string
	// AnswerWithin bounds each call but the stream itself.
	AnswerWithin time.Duration
	http         *http.Client
}

// NewClient makes a client.
func NewClient(m Masters, answerWithin time.Duration) *Client {
	return &Client{Masters: m, AnswerWithin: answerWithin, http: &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: answerWithin}).DialContext,
			TLSHandshakeTimeout:   answerWithin,
			ResponseHeaderTimeout: answerWithin,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// post posts body to where, and follows redirects to the leading master. The
// answer is one of status 2xx; its URL is that of the master that gave it.
func (c *Client) post(ctx context.Context, where string, contentType string, body []byte, header http.Header) (*http.Response, error) {
	var been []string
	for {
		if slices.Contains(been, where) || len(been) > mostHops {
			return nil, fmt.Errorf("the masters redirect in a circle: %s", strings.Join(append(been, where), " → "))
		}
		been = append(been, where)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		for k, v := range header {
			req.Header[k] = v
		}
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Accept", "application/json")
		if c.Principal != "" {
			req.SetBasicAuth(c.Principal, c.Secret)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 && resp.StatusCode < 300 {
			return resp, nil
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		location, err := resp.Location()
		if resp.StatusCode != http.StatusTemporaryRedirect || err != nil || header.Get(streamID) != "" {
			return nil, &StatusError{URL: where, Status: resp.StatusCode, Text: string(text)}
		}
		where = (&url.URL{Scheme: req.URL.Scheme, Host: location.Host, Path: req.URL.Path}).String()
	}
}

// leading posts to any master until one answers; wait is how long between two
// rounds, until ctx ends.
func (c *Client) leading(ctx context.Context, path, contentType string, body []byte) (*http.Response, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		hosts, last := c.Masters.candidates(ctx)
		for _, host := range hosts {
			resp, err := c.post(ctx, host+path, contentType, body, nil)
			if no := (*StatusError)(nil); err == nil || errors.As(err, &no) && !no.passes() {
				return resp, err
			}
			if last == nil || ctx.Err() == nil { // the end itself says little
				last = err
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrLeader, last)
		}
	}
}

// Operator asks the leading master's operator API, and decodes the answer to to.
func (c *Client) Operator(ctx context.Context, call string, to any) error {
	body, err := json.Marshal(map[string]string{"type": call})
	if err != nil {
		return err
	}
	resp, err := c.leading(ctx, operatorPath, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, mostAnswer)).Decode(to); err != nil {
		return fmt.Errorf("%s of %s: %w", call, resp.Request.URL, err)
	}
	return nil
}

// Teardown ends a framework that is not this one, and all of its tasks.
func (c *Client) Teardown(ctx context.Context, framework string) error {
	body := url.Values{"frameworkId": {framework}}.Encode()
	resp, err := c.leading(ctx, "/master/teardown", "application/x-www-form-urlencoded", []byte(body))
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// Stream is one subscription.
type Stream struct {
	// FrameworkID is what the master calls the framework.
	FrameworkID ID
	// Events are closed when the stream has ended; Err says why.
	Events <-chan Event

	client  *Client
	url, id string
	cancel  context.CancelFunc
	err     error
}

// Subscribe subscribes, with the id of info when it was known before, and tries
// again until ctx ends. What the master refuses for good is an error at once.
func (c *Client) Subscribe(ctx context.Context, info FrameworkInfo) (*Stream, error) {
	for {
		s, err := c.subscribe(ctx, info)
		if err == nil || !errors.Is(err, ErrLeader) || ctx.Err() != nil {
			return s, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (c *Client) subscribe(ctx context.Context, info FrameworkInfo) (*Stream, error) {
	body, err := json.Marshal(Call{Type: "SUBSCRIBE", FrameworkID: info.ID, Subscribe: &Framework{info}})
	if err != nil {
		return nil, err
	}
	// The stream outlives ctx, which ends it only until it is there.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	until := context.AfterFunc(ctx, cancel)
	resp, err := c.leading(life, schedulerPath, "application/json", body)
	if err != nil {
		cancel()
		return nil, err
	}
	r := bufio.NewReader(resp.Body)
	silence := time.AfterFunc(c.AnswerWithin, cancel)
	first, err := readEvent(r)
	alone := until() && silence.Stop()
	switch {
	case err == nil && first.Type == "ERROR":
		err = &RefusedError{Text: first.Error.Message}
	case err == nil && first.Type != "SUBSCRIBED":
		err = fmt.Errorf("%w: %s speaks of %s before SUBSCRIBED", ErrLeader, resp.Request.URL, first.Type)
	case err != nil || !alone:
		err = fmt.Errorf("%w: %s does not answer SUBSCRIBE: %w", ErrLeader, resp.Request.URL, errors.Join(err, ctx.Err()))
	}
	if err != nil {
		cancel()
		_ = resp.Body.Close()
		return nil, err
	}
	// Three heartbeats missed is a dead connection.
	quiet := time.Duration(3 * first.Subscribed.HeartbeatIntervalSeconds * float64(time.Second))
	if quiet <= 0 || quiet > time.Hour {
		quiet = 45 * time.Second // of Mesos's 15 s
	}
	events := make(chan Event)
	s := &Stream{
		FrameworkID: first.Subscribed.FrameworkID, Events: events,
		client: c, url: resp.Request.URL.String(), id: resp.Header.Get(streamID), cancel: cancel,
	}
	go s.read(life, resp.Body, r, quiet, events)
	return s, nil
}

// RefusedError is an ERROR event: the master will have nothing to do with the
// framework any more.
type RefusedError struct{ Text string }

// Error implements error.
func (e *RefusedError) Error() string { return "the master refuses the framework: " + e.Text }

// read hands on the events until the stream ends.
func (s *Stream) read(ctx context.Context, body io.Closer, r *bufio.Reader, quiet time.Duration, events chan<- Event) {
	defer close(events)
	defer body.Close()
	defer s.cancel()
	silence := time.AfterFunc(quiet, s.cancel)
	defer silence.Stop()
	for {
		e, err := readEvent(r)
		if !silence.Stop() {
			err = fmt.Errorf("nothing came for %s", quiet)
		}
		if err != nil {
			s.err = fmt.Errorf("%w: %w", ErrStreamEnded, err)
			return
		}
		select {
		case events <- e:
		case <-ctx.Done():
			s.err = ErrStreamEnded
			return
		}
		silence.Reset(quiet)
	}
}

// readEvent reads one event. One that is not whole is an error: what follows it
// cannot be trusted.
func readEvent(r *bufio.Reader) (Event, error) {
	var e Event
	record, err := readRecord(r)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(record, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if !e.whole() {
		return e, fmt.Errorf("%w: an event %q without its body", ErrRecord, e.Type)
	}
	return e, nil
}

// Err is why the stream ended, after Events was closed.
func (s *Stream) Err() error { return s.err }

// Close drops the connection; the framework stays registered until its failover
// timeout. It waits for the end of the stream.
func (s *Stream) Close() {
	s.cancel()
	for range s.Events { // what was on its way is lost
	}
}

// Call sends a call. The error is ErrStreamEnded when another subscription is
// needed first.
func (s *Stream) Call(ctx context.Context, call Call) error {
	call.FrameworkID = &s.FrameworkID
	body, err := json.Marshal(call)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.client.AnswerWithin)
	defer cancel()
	resp, err := s.client.post(ctx, s.url, "application/json", body, http.Header{streamID: {s.id}})
	if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
		return resp.Body.Close()
	}
	if no := (*StatusError)(nil); errors.As(err, &no) && !no.ended() {
		return fmt.Errorf("%s: %w", call.Type, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrStreamEnded, call.Type, err)
}
