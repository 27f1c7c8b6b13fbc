#include "policy/pace.hpp"

#include <algorithm>

namespace estimatord {
namespace {

milliseconds until(Clock::time_point due, Clock::time_point now) {
  if (due <= now) {
    return milliseconds::zero();
  }
  // Rounded up: a millisecond early is early.
  return std::chrono::duration_cast<milliseconds>(due - now) + milliseconds(1);
}

}  // namespace

milliseconds Pace::afterAnswer(Clock::time_point now) const {
  return gaveAny_ ? until(last_ + kLeastPause, now) : milliseconds::zero();
}

milliseconds Pace::afterError(Clock::time_point asked, Clock::time_point now) {
  milliseconds pause = kLeastPause;
  for (unsigned i = 0; i < errors_ && pause < kMostPause; ++i) {
    pause *= 2;
  }
  if (pause < kMostPause) {
    ++errors_;
  }
  return std::max(
      afterAnswer(now), until(asked + std::min(pause, kMostPause), now));
}

void Pace::gave(Clock::time_point now) {
  gaveAny_ = true;
  last_ = now;
}

}  // namespace estimatord
