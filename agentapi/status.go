package agentapi

import (
	"os"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

// euid is the user the daemon runs as.
var euid = uint32(os.Geteuid())

// Status is what the API has seen so far, for metrics and people.
type Status struct {
	// Agent is the agent that the socket serves, "" before the first.
	Agent string
	// Since is when it came, Heard when it last began or ended a call.
	Since, Heard time.Time
	// Connected: it has an open connection.
	Connected bool
	// UsageAt is when its last good report came in, zero before the first;
	// Executors is how many it lists, DroppedExecutors how many of it could
	// not be used.
	UsageAt                     time.Time
	Executors, DroppedExecutors int
	// Connections are open now, of anybody; Polls are waiting Corrections calls.
	Connections, Polls int
	// InFlight are kills decided and not confirmed.
	InFlight int
	// Kills counts what became of kills.
	Kills KillCounts
	Counts
	// Calls counts ended calls, sorted by method, then code.
	Calls []CallCount
}

// Counts are events since the daemon started.
type Counts struct {
	// RefusedPeers: calls of users that may not call.
	RefusedPeers uint64
	// RefusedCalls: calls that there was no room for.
	RefusedCalls uint64
	// RefusedAgents: calls of a second agent.
	RefusedAgents uint64
	// Takeovers: agents that got the socket, the first included.
	Takeovers uint64
	// BadReports: messages that could not be decoded or used.
	BadReports uint64
	// DroppedExecutorsTotal: executors that were left out of a report.
	DroppedExecutorsTotal uint64
	// Superseded: Corrections calls whose agent made another one meanwhile.
	Superseded uint64
	// Panics: calls that met a defect.
	Panics uint64
	// LastError is the newest of all these.
	LastError Problem
}

// Problem is something that went wrong.
type Problem struct {
	At   time.Time
	Text string
}

// CallCount is the number of ended calls of one method and outcome.
type CallCount struct {
	Method, Code string
	N            uint64
}

// Status is a copy of the state at this moment.
func (s *Server) Status() Status {
	var st Status
	s.mu.Lock()
	st.Agent, st.Since, st.Heard, st.Connected = s.owner.id, s.owner.since, s.owner.heard, s.owner.connected()
	st.Polls = len(s.polls)
	st.InFlight = len(s.kills.kills)
	st.Kills = s.kills.counts
	if u := s.usage.Load(); u != nil {
		st.UsageAt, st.Executors, st.DroppedExecutors = u.At, len(u.Executors), u.Dropped
	}
	s.mu.Unlock()
	s.counters.fill(&st)
	return st
}

// otherMethod stands for every method that is not served: a client must not be
// able to make up metric labels.
const otherMethod = "other"

// methodOf is the label of a method.
func methodOf(fullName string) string {
	switch fullName {
	case agentv1.Oversubscription_Estimate_FullMethodName:
		return "Estimate"
	case agentv1.Oversubscription_Corrections_FullMethodName:
		return "Corrections"
	case healthv1.Health_Check_FullMethodName, healthv1.Health_List_FullMethodName, healthv1.Health_Watch_FullMethodName:
		return "Health"
	case reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName:
		return "Reflection"
	}
	return otherMethod
}
