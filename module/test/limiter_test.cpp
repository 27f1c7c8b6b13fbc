#include "policy/limiter.hpp"

#include <cstdint>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

void testLimiter() {
  const Clock::time_point start{};
  Limiter limiter;
  std::uint64_t suppressed = 99;
  CHECK_TRUE(limiter.admit(start, &suppressed));
  CHECK_EQUAL(suppressed, 0U);
  CHECK_TRUE(!limiter.admit(start, &suppressed));
  CHECK_TRUE(
      !limiter.admit(start + kWarningPause - milliseconds(1), &suppressed));
  CHECK_TRUE(limiter.admit(start + kWarningPause, &suppressed));
  CHECK_EQUAL(suppressed, 2U);
  limiter.reset();
  CHECK_TRUE(limiter.admit(start + kWarningPause, &suppressed));
  CHECK_EQUAL(suppressed, 0U);

  CHECK_EQUAL(suppressedNote(0), "");
  CHECK_EQUAL(suppressedNote(2), " (2 more like this since the last one)");
}
