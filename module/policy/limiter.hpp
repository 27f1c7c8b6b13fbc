// Keeps one and the same complaint from filling the agent's log.
#ifndef ESTIMATORD_POLICY_LIMITER_HPP
#define ESTIMATORD_POLICY_LIMITER_HPP

#include <cstdint>
#include <string>

#include "policy/clock.hpp"

namespace estimatord {

// Least time between two lines of one kind.
constexpr milliseconds kWarningPause{60000};

class Limiter {
 public:
  // Whether a line may be written now. `suppressed` then says how many were
  // not, since the last that was.
  bool admit(Clock::time_point now, std::uint64_t* suppressed);

  // Lets the next line through: what it complained of is over.
  void reset();

 private:
  bool admitted_ = false;
  Clock::time_point last_;
  std::uint64_t suppressed_ = 0;
};

// " (17 more like this since the last one)", or nothing.
std::string suppressedNote(std::uint64_t suppressed);

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_LIMITER_HPP
