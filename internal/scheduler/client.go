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
	streamID      = "Mesos-Stream-Id"
	// mostHops is how often one request follows a redirect: each master of an
	// ensemble once, and more than any has.
	mostHops = 8
	// mostAnswer bounds what is read of an answer, in bytes.
	mostAnswer = 256 << 20
)

var (
	// ErrLeader is that the leading master was not found, or is not ready. It may
	// be another time.
	ErrLeader = errors.New("no leading master")
	// ErrStreamEnded is that the subscription is over and may be renewed.
	ErrStreamEnded = errors.New("the stream of events is over")
)

// RefusedError is an ERROR event: the master will have nothing to do with the
// framework any more.
type RefusedError struct{ Text string }

// Error implements error.
func (e *RefusedError) Error() string { return "the master refuses the framework: " + e.Text }

// StatusError is an answer that says no.
type StatusError struct {
	URL    string
	Status int
	Text   string // the master's
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s answered %d %s: %s", e.URL, e.Status, http.StatusText(e.Status), strings.TrimSpace(e.Text))
}

// passes reports whether the master is about to lead, or not leading any more.
func (e *StatusError) passes() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusTemporaryRedirect || e.Status >= 500
}

// final reports whether asking again is of no use.
func final(err error) bool {
	status, refused := (*StatusError)(nil), (*RefusedError)(nil)
	return errors.As(err, &refused) || errors.As(err, &status) && !status.passes()
}

// Client talks to the leading master.
type Client struct {
	Masters Masters
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

// post posts body to where, and follows redirects to the leading master, but
// those of a stream that it would not know. The answer is one of status 2xx.
func (c *Client) post(ctx context.Context, where string, body []byte, stream string) (*http.Response, error) {
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
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		if stream != "" {
			req.Header.Set(streamID, stream)
		}
		resp, err := c.http.Do(req)
		if err != nil || resp.StatusCode >= 200 && resp.StatusCode < 300 {
			return resp, err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		location, err := resp.Location()
		if resp.StatusCode != http.StatusTemporaryRedirect || err != nil || stream != "" {
			return nil, &StatusError{URL: where, Status: resp.StatusCode, Text: string(text)}
		}
		where = (&url.URL{Scheme: req.URL.Scheme, Host: location.Host, Path: req.URL.Path}).String()
	}
}

// leading posts to any master until one answers, and take is content with it, or
// what is wrong is final; until ctx ends, with growing pauses.
func (c *Client) leading(ctx context.Context, path string, body []byte, take func(*http.Response) error) error {
	var last error
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		urls, err := c.Masters.candidates(ctx)
		if err != nil {
			urls = nil
		}
		for _, u := range urls {
			var resp *http.Response
			if resp, err = c.post(ctx, u+path, body, ""); err == nil { //nolint:bodyclose // take closes it
				err = take(resp)
			}
			if err == nil || final(err) {
				return err
			}
		}
		if last == nil || ctx.Err() == nil { // the end itself says little
			last = err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrLeader, last)
		}
	}
}

// Operator asks the leading master's operator API, and decodes the answer to to
// where there is one.
func (c *Client) Operator(ctx context.Context, call, to any) error {
	body, err := json.Marshal(call)
	if err != nil {
		return err
	}
	return c.leading(ctx, "/api/v1", body, func(resp *http.Response) error {
		defer resp.Body.Close()
		if to == nil {
			return nil
		}
		return json.NewDecoder(io.LimitReader(resp.Body, mostAnswer)).Decode(to)
	})
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
func (c *Client) Subscribe(ctx context.Context, info FrameworkInfo) (s *Stream, err error) {
	body, err := json.Marshal(Call{Type: "SUBSCRIBE", FrameworkID: info.ID, Subscribe: &Framework{info}})
	if err != nil {
		return nil, err
	}
	// The stream outlives ctx, which ends it only until it is there.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	err = c.leading(life, schedulerPath, body, func(resp *http.Response) error {
		s, err = c.begin(life, resp)
		return err
	})
	if err != nil {
		cancel()
		return nil, err
	}
	s.cancel = cancel
	return s, nil
}

// begin takes an answer to SUBSCRIBE, and its first event.
func (c *Client) begin(ctx context.Context, resp *http.Response) (*Stream, error) {
	r := bufio.NewReader(resp.Body)
	silence := time.AfterFunc(c.AnswerWithin, func() { _ = resp.Body.Close() })
	first, err := readEvent(r)
	silence.Stop()
	if err == nil && first.Type == "ERROR" {
		err = &RefusedError{Text: first.Error.Message}
	} else if err == nil && first.Type != "SUBSCRIBED" {
		err = fmt.Errorf("%s before SUBSCRIBED", first.Type)
	}
	if err != nil {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: %w", resp.Request.URL, err)
	}
	// Three heartbeats missed is a dead connection.
	quiet := time.Duration(3 * first.Subscribed.HeartbeatIntervalSeconds * float64(time.Second))
	if quiet <= 0 || quiet > time.Hour {
		quiet = 45 * time.Second // of Mesos's 15 s
	}
	events := make(chan Event)
	s := &Stream{
		FrameworkID: first.Subscribed.FrameworkID, Events: events,
		client: c, url: resp.Request.URL.String(), id: resp.Header.Get(streamID),
	}
	go s.read(ctx, resp.Body, r, quiet, events)
	return s, nil
}

// read hands on the events until the stream ends.
func (s *Stream) read(ctx context.Context, body io.Closer, r *bufio.Reader, quiet time.Duration, events chan<- Event) {
	defer close(events)
	defer body.Close()
	for ctx.Err() == nil {
		silence := time.AfterFunc(quiet, func() { _ = body.Close() })
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
		}
	}
	s.err = ErrStreamEnded
}

// readEvent reads one event. One that is not whole is an error: what follows it
// cannot be trusted.
func readEvent(r *bufio.Reader) (e Event, err error) {
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
	resp, err := s.client.post(ctx, s.url, body, s.id)
	if err == nil {
		return resp.Body.Close()
	}
	if text := err.Error(); final(err) && !strings.Contains(text, "stream ID") && !strings.Contains(text, "Framework cannot be found") {
		return fmt.Errorf("%s: %w", call.Type, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrStreamEnded, call.Type, err)
}
