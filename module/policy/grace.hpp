// How long the last good estimate may stand in for a daemon that is late or
// gone.
#ifndef ESTIMATORD_POLICY_GRACE_HPP
#define ESTIMATORD_POLICY_GRACE_HPP

#include "policy/clock.hpp"
#include "policy/offer.hpp"

namespace estimatord {

class Grace {
 public:
  // Zero: never.
  explicit Grace(milliseconds length) : length_(length) {}

  // Notes a good estimate, and what was allocated as revocable in the usage
  // that it was made from.
  void remember(
      Clock::time_point now, const Amounts& free, const Amounts& revocable);

  // Forgets it: the daemon has answered, with something that is not an offer.
  void forget();

  // What may be said instead of an answer: nothing once the grace is over.
  // The agent adds what is allocated as revocable to what it is told
  // (slave.cpp:8611 of 1.12), so whatever was launched since comes off:
  //
  //   free' = max(0, min(free, free + revocable_then - revocable_now))
  Amounts standIn(Clock::time_point now, const Amounts& revocable) const;

 private:
  const milliseconds length_;
  bool known_ = false;
  Clock::time_point at_;
  Amounts free_;
  Amounts revocable_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_GRACE_HPP
