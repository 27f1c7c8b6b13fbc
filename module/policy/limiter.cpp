#include "policy/limiter.hpp"

namespace estimatord {

bool Limiter::admit(Clock::time_point now, std::uint64_t* suppressed) {
  if (admitted_ && now - last_ < kWarningPause) {
    ++suppressed_;
    return false;
  }
  admitted_ = true;
  last_ = now;
  *suppressed = suppressed_;
  suppressed_ = 0;
  return true;
}

void Limiter::reset() {
  admitted_ = false;
  suppressed_ = 0;
}

std::string suppressedNote(std::uint64_t suppressed) {
  if (suppressed == 0) {
    return "";
  }
  return " (" + std::to_string(suppressed) +
         " more like this since the last one)";
}

}  // namespace estimatord
