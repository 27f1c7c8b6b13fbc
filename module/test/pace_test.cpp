#include "policy/pace.hpp"

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

void testPace() {
  const Clock::time_point start{};
  const auto at = [&](int ms) { return start + milliseconds(ms); };

  Pace pace;
  // The first may go at once, the next a second later at the earliest.
  CHECK_EQUAL(pace.afterAnswer(start).count(), 0);
  pace.gave(start);
  CHECK_TRUE(pace.afterAnswer(start).count() >= 1000);
  CHECK_TRUE(pace.afterAnswer(at(1)).count() >= 999);
  CHECK_TRUE(
      pace.afterAnswer(at(1) + std::chrono::microseconds(500)) >=
      milliseconds(999));
  CHECK_EQUAL(pace.afterAnswer(at(1000)).count(), 0);
  CHECK_EQUAL(pace.afterAnswer(at(10000)).count(), 0);

  // Errors: 1, 2, 4, then 5 seconds from the question.
  int asked = 2000;
  for (const int pause : {1000, 2000, 4000, 5000, 5000}) {
    CHECK_EQUAL(pace.afterError(at(asked), at(asked)).count(), pause + 1);
    asked += pause + 1;
    pace.gave(at(asked));
  }
  // Time that the call took counts, but never below a second between lists.
  CHECK_EQUAL(pace.afterError(at(asked), at(asked + 4000)).count(), 1001);
  CHECK_EQUAL(pace.afterError(at(asked), at(asked + 9000)).count(), 0);

  pace.answered();
  CHECK_EQUAL(pace.afterError(at(asked), at(asked)).count(), 1001);
}
