#include "policy/settings.hpp"

#include <string>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

void testSettings() {
  Settings defaults;
  std::string error;
  CHECK_TRUE(parseSettings({}, &defaults, &error));
  CHECK_EQUAL(defaults.socket, "/run/estimatord/agent.sock");
  CHECK_EQUAL(defaults.timeout.count(), 2000);
  CHECK_EQUAL(defaults.staleGrace.count(), 0);
  CHECK_EQUAL(defaults.kinds.size(), 2U);

  Settings settings;
  CHECK_TRUE(parseSettings(
      {{"socket", "/a"},
       {"timeout", "1.5secs"},
       {"stale_grace", "1mins"},
       {"kinds", "cpus,disk"}},
      &settings,
      &error));
  CHECK_EQUAL(settings.socket, "/a");
  CHECK_EQUAL(settings.timeout.count(), 1500);
  CHECK_EQUAL(settings.staleGrace.count(), 60000);
  CHECK_EQUAL(settings.kinds.count("disk") + settings.kinds.count("cpus"), 2U);
  CHECK_EQUAL(settings.kinds.count("mem"), 0U);

  struct Case {
    const char* name;
    Parameters parameters;
    const char* error;
  };
  const Case cases[] = {
      {"relative",
       {{"socket", "run/x"}},
       "parameter 'socket' is 'run/x': it takes the absolute path of a Unix "
       "socket, of at most 107 bytes"},
      {"empty",
       {{"socket", ""}},
       "parameter 'socket' is '': it takes the absolute path of a Unix socket, "
       "of at most 107 bytes"},
      {"no unit",
       {{"timeout", "5"}},
       "parameter 'timeout' is '5': it takes a duration from 10ms to 60secs"},
      {"zero",
       {{"timeout", "0secs"}},
       "parameter 'timeout' is '0secs': it takes a duration from 10ms to "
       "60secs"},
      {"too long",
       {{"timeout", "2mins"}},
       "parameter 'timeout' is '2mins': it takes a duration from 10ms to "
       "60secs"},
      {"negative",
       {{"stale_grace", "-1secs"}},
       "parameter 'stale_grace' is '-1secs': it takes a duration from 0secs to "
       "10mins"},
      {"absurd",
       {{"stale_grace", "9999999999999999999999999999hrs"}},
       "parameter 'stale_grace' is '9999999999999999999999999999hrs': it takes "
       "a duration from 0secs to 10mins"},
      {"gpus",
       {{"kinds", "cpus,gpus"}},
       "parameter 'kinds' is 'cpus,gpus': it takes cpus, mem and disk, "
       "separated by commas"},
      {"no kind",
       {{"kinds", ""}},
       "parameter 'kinds' is '': it takes cpus, mem and disk, separated by "
       "commas"},
      {"unknown",
       {{"sockets", "/a"}},
       "parameter 'sockets' is unknown; there are socket, timeout, stale_grace "
       "and kinds"},
      {"twice",
       {{"socket", "/a"}, {"socket", "/a"}},
       "parameter 'socket' is there twice"},
  };
  for (const Case& each : cases) {
    Settings untouched;
    error.clear();
    CHECK_CASE(
        each.name, parseSettings(each.parameters, &untouched, &error), false);
    CHECK_CASE(each.name, error, each.error);
  }

  milliseconds duration{};
  for (const char* const good : {"300ms", "0.3secs", "0.005m", "300000us"}) {
    duration = milliseconds::zero();
    CHECK_CASE(good, parseDuration(good, &duration), true);
    CHECK_CASE(good, duration.count(), 300);
  }
  for (const char* const bad :
       {"", "s", ".3s", "1", "1.s", "1..2s", "1 s", "1e3s", "1days", "+1s"}) {
    CHECK_CASE(bad, parseDuration(bad, &duration), false);
  }
}
