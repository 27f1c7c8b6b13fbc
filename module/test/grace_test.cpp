#include "policy/grace.hpp"

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

namespace {

std::int64_t cpus(const Amounts& amounts) {
  return amounts.count("cpus") == 0 ? 0 : amounts.at("cpus");
}

}  // namespace

void testGrace() {
  const Clock::time_point start{};
  const auto at = [&](int seconds) {
    return start + std::chrono::seconds(seconds);
  };

  Grace off(milliseconds::zero());
  off.remember(start, {{"cpus", 4000}}, {});
  CHECK_EQUAL(off.standIn(start, {}).size(), 0U);

  Grace grace(std::chrono::seconds(30));
  CHECK_EQUAL(grace.standIn(start, {}).size(), 0U);

  grace.remember(start, {{"cpus", 4000}, {"mem", 512000}}, {{"cpus", 1000}});
  CHECK_EQUAL(cpus(grace.standIn(at(15), {{"cpus", 1000}})), 4000);
  // Launched since: comes off.
  CHECK_EQUAL(cpus(grace.standIn(at(15), {{"cpus", 2500}})), 2500);
  CHECK_EQUAL(cpus(grace.standIn(at(15), {{"cpus", 9000}})), 0);
  CHECK_EQUAL(grace.standIn(at(15), {{"cpus", 9000}}).at("mem"), 512000);
  // Ended since: is not added, for nobody has looked whether it still fits.
  CHECK_EQUAL(cpus(grace.standIn(at(15), {})), 4000);
  // To the end of the grace, and no further.
  CHECK_EQUAL(cpus(grace.standIn(at(30), {{"cpus", 1000}})), 4000);
  CHECK_EQUAL(
      cpus(grace.standIn(at(30) + milliseconds(1), {{"cpus", 1000}})), 0);

  grace.remember(at(40), {}, {});
  CHECK_EQUAL(grace.standIn(at(41), {}).size(), 0U);
  grace.remember(at(42), {{"cpus", 1000}}, {});
  grace.forget();
  CHECK_EQUAL(grace.standIn(at(42), {}).size(), 0U);
}
