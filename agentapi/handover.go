package agentapi

import "github.com/estimatord/estimatord/qos"

// HandOver hands every kill that is due to hand instead of to a Corrections call:
// for an agent that makes none. The newest report has to list the victim as it was
// decided on, as for a call. What hand refuses stays queued, until it expires.
func (s *Server) HandOver(hand func(qos.Victim) error) {
	s.mu.Lock()
	if len(s.polls) > 0 { // the agent has a QoS module after all
		s.mu.Unlock()
		return
	}
	now, latest := s.now(), s.usage.Load()
	t := s.kills.take(now, latest, latest)
	s.mu.Unlock()
	s.logEnded(t.ended, now)
	for _, k := range t.batch {
		s.answered([]*kill{k}, hand(k.victim))
	}
}
