// When the next list of corrections may be given to the agent.
//
// The agent asks again at once (--qos_correction_interval_min is 0 unless set),
// so an answer given immediately makes it ask without end.
#ifndef ESTIMATORD_POLICY_PACE_HPP
#define ESTIMATORD_POLICY_PACE_HPP

#include "policy/clock.hpp"

namespace estimatord {

// Least time between two lists.
constexpr milliseconds kLeastPause{1000};

// Longest pause after an error: how long a daemon that is back may stay
// unheard.
constexpr milliseconds kMostPause{5000};

class Pace {
 public:
  // How long to wait, from `now`, before a list may be given.
  milliseconds afterAnswer(Clock::time_point now) const;

  // The same when the daemon could not be asked: twice as long for each error
  // in a row, counted from when the agent asked.
  milliseconds afterError(Clock::time_point asked, Clock::time_point now);

  // Notes that a list was given.
  void gave(Clock::time_point now);

  // Notes that the daemon has answered.
  void answered() { errors_ = 0; }

 private:
  bool gaveAny_ = false;
  Clock::time_point last_;
  unsigned errors_ = 0;
};

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_PACE_HPP
