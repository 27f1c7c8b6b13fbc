#include "policy/guard.hpp"

#include <string>

#include "test/check.hpp"

using namespace estimatord;  // NOLINT

namespace {

Kill kill(
    const std::string& framework,
    const std::string& executor,
    const std::string& container) {
  Kill result;
  result.framework = framework;
  result.executor = executor;
  result.container = container;
  return result;
}

}  // namespace

void testGuard() {
  Guard guard;
  guard.executor("f", "batch", "c1", true);
  guard.executor("f", "web", "c2", false);
  guard.executor("g", "batch", "c3", false);

  CHECK_EQUAL(guard.refusal(kill("f", "batch", "c1")), "");
  CHECK_EQUAL(
      guard.refusal(kill("f", "web", "c2")),
      "the executor holds no revocable resources");
  CHECK_EQUAL(
      guard.refusal(kill("g", "batch", "c3")),
      "the executor holds no revocable resources");
  CHECK_EQUAL(
      guard.refusal(kill("f", "batch", "c3")),
      "the executor runs in another container");
  CHECK_EQUAL(
      guard.refusal(kill("h", "batch", "c1")),
      "the agent has no such executor");
  CHECK_EQUAL(
      guard.refusal(kill("f", "", "c1")), "it does not say which executor");
  CHECK_EQUAL(
      guard.refusal(kill("", "batch", "c1")), "it does not say which executor");
  CHECK_EQUAL(
      guard.refusal(kill("f", "batch", "")), "it does not say which container");

  Kill nested = kill("f", "batch", "c1");
  nested.nested = true;
  CHECK_EQUAL(guard.refusal(nested), "it is for a nested container");
  CHECK_EQUAL(
      Guard().refusal(kill("f", "batch", "c1")),
      "the agent has no such executor");

  CHECK_EQUAL(
      describe(kill("f\n1", "e", "c")),
      "executor 'e' of framework 'f?1' in container 'c'");
}
