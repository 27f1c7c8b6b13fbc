// Package control serves people and their programs over HTTP: an API that tells
// how things stand, how they went and why, the same with the operator's commands
// on a Unix socket, and the status page, /metrics and /healthz on a loopback
// port. docs/reference/openapi.yaml describes the API.
//
// The socket is for root and the user that the daemon runs as; the kernel says
// who calls. A command is in the log with the process that gave it, and is
// carried out at the next tick: the loop stays the only one that acts. The port
// is for everybody on the node, so it only reads.
package control

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/throttle"
	"github.com/estimatord/estimatord/qos"
)

// Config is what people are served from. The functions are for any goroutine.
type Config struct {
	// Socket is the operator's socket.
	Socket, ProcRoot string
	// Listen is host:port of the loopback port; port 0 picks a free one.
	Listen string
	// WebConfig is the file with the port's certificate and users, "" for none.
	WebConfig string
	// Daemon is shown as it is, with the PID and the pause filled in.
	Daemon Daemon
	// Recent is what happened lately.
	Recent *Recent
	// Last is the newest record, nil before the first tick.
	Last func() *decision.Record
	// Unhealthy is how old that may be before /healthz fails.
	Unhealthy time.Duration
	// Policy is how it stands with the policy file.
	Policy func() config.PolicyStatus
	// Usage is the agent's last report, nil before the first.
	Usage func() *snapshot.Usage
	// InFlight are the kills decided and not confirmed.
	InFlight func() []qos.InFlight
	// Throttles is what was written to control files.
	Throttles func() throttle.Report
	// Pending takes the commands of operators.
	Pending *Pending
	// Registry is what /metrics shows.
	Registry *prometheus.Registry
	// Containers is what /metrics/containers shows; nil: there is no such page.
	Containers http.Handler
	Log        *slog.Logger
	// Now is time.Now, except in tests.
	Now func() time.Time
}
