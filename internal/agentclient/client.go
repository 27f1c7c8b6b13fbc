package agentclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/qos"
)

// Classes of errors, for what an operator has to do about them.
var (
	// ErrURL: agent_url is none that can be asked.
	ErrURL = errors.New("not an agent's URL")
	// ErrCredentials: the file with the credentials cannot be used.
	ErrCredentials = errors.New("not usable as credentials")
	// ErrUnreachable: nobody answers there, or not in time.
	ErrUnreachable = errors.New("the agent does not answer")
	// ErrDenied: the agent wants credentials, or others.
	ErrDenied = errors.New("the agent refuses the credentials")
	// ErrAnswer: what came back is no answer of an agent, or too large.
	ErrAnswer = errors.New("not an answer of an agent")
)

const (
	// callFor is how long one call may take. The agent collects the statistics of
	// all containers for GET_CONTAINERS.
	callFor = 5 * time.Second
	// maxAnswer is far above what any agent has to say: a container takes 1 KiB.
	maxAnswer = 8 << 20
	// path is that of the operator API. Through the domain socket it is the only
	// one (src/slave/slave.cpp:792); an agent process has one agent, slave(1).
	path = "/slave(1)/api/v1"
)

// Client calls one agent. It is for any goroutine.
type Client struct {
	url         string
	credentials credentials
	http        *http.Client
}

// credentials are for basic authentication, the same JSON as the agent's own
// --credential takes.
type credentials struct {
	Principal string `json:"principal"`
	Secret    string `json:"secret"`
}

// New makes a Client of agent_url, and of agent_credentials unless that is "".
func New(agentURL, credentialsFile string, read func(name string) ([]byte, error)) (*Client, error) {
	u, err := ParseURL(agentURL)
	if err != nil {
		return nil, err
	}
	dial := &net.Dialer{Timeout: callFor}
	transport := &http.Transport{
		DialContext: dial.DialContext, DisableCompression: true, MaxIdleConns: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10,
	}
	c := &Client{url: strings.TrimSuffix(u.String(), "/") + path}
	if u.Scheme == "unix" {
		c.url = "http://agent" + path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "unix", u.Path) }
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the credentials are for the agent alone
	}}
	if credentialsFile != "" {
		data, err := read(credentialsFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		if json.Unmarshal(data, &c.credentials) != nil || c.credentials.Principal == "" {
			// Nothing of the file is repeated: it holds a secret.
			return nil, fmt.Errorf(`%w: %s is not JSON of the form {"principal": "...", "secret": "..."}`, ErrCredentials, credentialsFile)
		}
	}
	return c, nil
}

// ParseURL takes http://host:port, https://host:port and unix:///path.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrURL, printable.Quote(s))
	case u.User != nil:
		return nil, fmt.Errorf("%w: it holds a password, which belongs into agent_credentials", ErrURL)
	case u.RawQuery != "" || u.Fragment != "":
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return u, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && (u.Path == "" || u.Path == "/"):
		return u, nil
	}
	return nil, fmt.Errorf("%w: %s is none of http://host:port, https://host:port and unix:///path", ErrURL, printable.Quote(s))
}

// call calls the agent and decodes its answer into answer, which may be nil.
func (c *Client) call(ctx context.Context, request map[string]any, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrURL, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.credentials.Principal != "" {
		req.SetBasicAuth(c.credentials.Principal, c.credentials.Secret)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	limited := &io.LimitedReader{R: resp.Body, N: maxAnswer + 1}
	switch text, _ := io.ReadAll(limited); {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %s", ErrDenied, resp.Status)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
	case limited.N <= 0:
		return fmt.Errorf("%w: %v is longer than %d bytes", ErrAnswer, request["type"], maxAnswer)
	case resp.StatusCode >= 300:
		const said = 200
		return fmt.Errorf("%w: %s to %v: %s", ErrAnswer, resp.Status, request["type"], printable.Quote(string(text[:min(said, len(text))])))
	case answer == nil:
		return nil
	default:
		if err := json.Unmarshal(text, answer); err != nil {
			return fmt.Errorf("%w: %v: %w", ErrAnswer, request["type"], err)
		}
	}
	return nil
}

// Kill has the agent kill a victim's container. The framework sees an executor
// that failed (TASK_FAILED), not a preemption (src/slave/http.cpp:3697): this is
// for agents without a QoS module. The agent asks nothing about the container, so
// its ids are compared with the agent's own list first.
func (c *Client) Kill(ctx context.Context, v qos.Victim) error {
	containers, err := c.containers(ctx)
	if err != nil {
		return err
	}
	for _, has := range containers {
		if has.ID == v.Key().ID && has.FrameworkID == v.FrameworkID() && has.ExecutorID == v.ExecutorID() {
			return c.call(ctx, map[string]any{
				"type": "KILL_CONTAINER", "kill_container": map[string]any{"container_id": map[string]any{"value": v.Key().ID}},
			}, nil)
		}
	}
	return fmt.Errorf("%w: container %s is not among the %d of this agent", ErrAnswer, cmp.Or(v.Key().ID, "without id"), len(containers))
}
