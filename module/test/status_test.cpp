#include "transport/status.hpp"

#include <chrono>
#include <string>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

void testStatus() {
  CHECK_EQUAL(statusName(0), "OK");
  CHECK_EQUAL(statusName(16), "UNAUTHENTICATED");
  CHECK_EQUAL(statusName(17), "code 17");
  CHECK_EQUAL(statusName(-1), "code -1");

  int code = -1;
  CHECK_TRUE(parseStatus("14", &code));
  CHECK_EQUAL(code, 14);
  for (const char* const bad : {"", " 1", "1 ", "+1", "-0", "0x1", "1000"}) {
    CHECK_CASE(bad, parseStatus(bad, &code), false);
  }

  CHECK_EQUAL(decodeStatusMessage("a%20b%C3%A9%"), "a b\xc3\xa9%");
  CHECK_EQUAL(decodeStatusMessage("%zz%1"), "%zz%1");
  CHECK_EQUAL(decodeStatusMessage("%00%0a%7F."), "   .");
  CHECK_EQUAL(
      decodeStatusMessage(std::string(kMaxStatusMessage, 'x')),
      std::string(kMaxStatusMessage, 'x'));
  CHECK_EQUAL(
      decodeStatusMessage(std::string(kMaxStatusMessage + 1, 'x')),
      std::string(kMaxStatusMessage, 'x') + "...");

  CHECK_EQUAL(formatTimeout(std::chrono::milliseconds(1500)), "1500m");
  CHECK_EQUAL(formatTimeout(std::chrono::milliseconds(0)), "1m");
  CHECK_EQUAL(formatTimeout(std::chrono::milliseconds(-5)), "1m");
  CHECK_EQUAL(formatTimeout(std::chrono::hours(48)), "99999999m");
}
