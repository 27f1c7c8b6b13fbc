// The clock of everything that waits or ages: it never goes back. Callers pass
// the time in, so that the units here need no waiting to be tested.
#ifndef ESTIMATORD_POLICY_CLOCK_HPP
#define ESTIMATORD_POLICY_CLOCK_HPP

#include <chrono>

namespace estimatord {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_CLOCK_HPP
