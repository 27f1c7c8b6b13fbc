package agentapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/unixsocket"
	"github.com/estimatord/estimatord/qos"
)

// DefaultSocket is where the agent's module looks for the daemon.
const DefaultSocket = "/run/estimatord/agent.sock"

// ErrConfig is the class of what New refuses.
var ErrConfig = errors.New("invalid agent API configuration")

// What of the contract needs no setting.
const (
	// maxMessageBytes bounds one request. The agent sends its executors whole,
	// command lines, environments and data blobs included: a few KB each.
	maxMessageBytes = 8 << 20
	// maxStreams bounds the calls at a time on one connection.
	maxStreams = 32
	// maxPolls bounds the Corrections calls at a time over all connections. A
	// right client has one; the room is for calls that time out on its side
	// and are not yet seen to be gone.
	maxPolls = 8
	// maxHeaderBytes bounds the headers of one call; an agent sends 200 bytes.
	maxHeaderBytes = 16 << 10
	// minPing is the least time between two pings of a client.
	minPing = 5 * time.Second
	// keepaliveAfter is how long a connection may be idle before it is probed: a
	// dead peer closes its socket, only a frozen one has to be found so. It is
	// longer than agents sleep between two estimates, since a client that is not
	// in a call may not answer a probe (libcurl does not look at its idle
	// connections), and would seem to go and come each time.
	keepaliveAfter = 10 * time.Minute
	// pingTimeout is how long such a probe may go unanswered.
	pingTimeout = 20 * time.Second
	// freshEvery is the least time between two wishes for fresh usage: no more often
	// is a waiting call answered. An owner of what was offered may have come.
	freshEvery = time.Second
	// retryAfter is how long a killed container may take to vanish before the
	// kill is handed over again; it doubles each time, up to retryCap. Killed
	// containers on a contended node were seen to take 5 s.
	retryAfter, retryCap = 30 * time.Second, 10 * time.Minute
	// killValidFor is how long a kill may wait to be handed over. The reason
	// for it is a reading: past this time it is not true any more.
	killValidFor = 30 * time.Second
	// maxWarn bounds what regular tasks wait for the sake of a warning.
	maxWarn = 30 * time.Second
)

// Answer says what an agent with this report is answered from an offer.
type Answer func(o estimator.Offer, u *snapshot.Usage, now time.Time) resources.Quantities

// Config is what a Server is made of. Start from DefaultConfig.
type Config struct {
	// Socket is the path of the Unix socket.
	Socket string
	// AgentUID is the user the agent runs as. It owns the socket file and may
	// call, besides root and the daemon's own user. 0: the agent is root.
	AgentUID uint32
	// ProcRoot is where /proc is mounted; it tells agents apart that do not
	// name themselves.
	ProcRoot string

	// MaxConnections bounds the open connections; others are closed at once. An
	// agent's module has two.
	MaxConnections int
	// HandshakeTimeout is how long a new connection may stay silent, ArriveTimeout
	// how long a call may take to send its message.
	HandshakeTimeout, ArriveTimeout time.Duration
	// DrainFor is how long calls may take to end when Serve stops.
	DrainFor time.Duration

	// PollCap is when a Corrections call is answered although there is nothing
	// to say. A longer one notices a vanished daemon later, a shorter one asks
	// the agent for its usage more often.
	PollCap time.Duration
	// PollMin is the least time between a Corrections call and its answer: the
	// agent's qos_correction_interval_min is 0 by default, so it asks again at
	// once (src/slave/flags.cpp:1612).
	PollMin time.Duration
	// OwnerTimeout is how long a connected agent may be silent before another
	// one may take the socket over. The agent estimates every 15 s by default.
	OwnerTimeout time.Duration

	// Warning is asked before each kill who is to be warned; nil: nobody ever.
	Warning func() Warning
	// HandedOver is told of each kill that an agent was told of, at once: from
	// then on the container is dying. It must not wait. nil: nobody is told.
	HandedOver func(v qos.Victim)

	// Fresh is called when a report has come in that was asked for; nil: nobody is
	// told. It must not wait.
	Fresh func()

	// Answer is how an offer becomes an answer.
	Answer Answer
}

// DefaultConfig is the contract's behaviour.
func DefaultConfig() Config {
	return Config{
		Socket:           DefaultSocket,
		ProcRoot:         "/proc",
		MaxConnections:   32,
		HandshakeTimeout: 10 * time.Second,
		ArriveTimeout:    10 * time.Second,
		DrainFor:         2 * time.Second,
		PollCap:          10 * time.Second,
		PollMin:          time.Second,
		OwnerTimeout:     time.Minute,
		Answer:           estimator.Offer.Answer,
	}
}

// Warning is what happens before a kill is handed over; the zero Warning is
// nothing.
type Warning struct {
	// Warn is called in a goroutine of its own. The kill is handed over when it
	// returns, or after For, of which no more than 30 s count; ctx ends then,
	// too.
	Warn func(ctx context.Context, v qos.Victim)
	For  time.Duration
}

func (c *Config) validate() error {
	switch {
	case c.MaxConnections <= 0:
		return fmt.Errorf("%w: MaxConnections %d", ErrConfig, c.MaxConnections)
	case c.PollMin < 0 || c.PollCap <= 0 || c.PollCap < c.PollMin:
		return fmt.Errorf("%w: PollMin %s, PollCap %s", ErrConfig, c.PollMin, c.PollCap)
	case c.OwnerTimeout <= 0 || c.HandshakeTimeout <= 0 || c.ArriveTimeout <= 0:
		return fmt.Errorf("%w: a timeout is not above zero", ErrConfig)
	case c.Answer == nil || c.ProcRoot == "":
		return fmt.Errorf("%w: Answer and ProcRoot are required", ErrConfig)
	}
	return unixsocket.CheckPath(c.Socket)
}
