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

// A command task as the agent reports it: a revocable cpu and regular memory,
// beside the executor's 0.1 cpus and 32 MB.
Executor batch(
    const std::string& framework,
    const std::string& id,
    const std::string& container) {
  Executor result;
  result.framework = framework;
  result.id = id;
  result.container = container;
  result.allocated = {{{"cpus", 100}, {"mem", 96000}}, {{"cpus", 1000}}};
  result.own = {{"cpus", 100}, {"mem", 32000}};
  result.tasks = {{{{"mem", 64000}}, {{"cpus", 1000}}}};
  return result;
}

Executor service(
    const std::string& framework,
    const std::string& id,
    const std::string& container) {
  Executor result = batch(framework, id, container);
  result.allocated = {{{"cpus", 600}, {"mem", 96000}}, {}};
  result.tasks = {{{{"cpus", 500}, {"mem", 64000}}, {}}};
  return result;
}

const char* const kMayBeQueued =
    "the executor may have a queued task without revocable resources";

// The cases of TestClassify in internal/snapshot.
void testNotRevocable() {
  const Executor plain = batch("f", "e", "c");
  CHECK_EQUAL(notRevocable(plain), "");
  CHECK_EQUAL(
      notRevocable(service("f", "e", "c")),
      "the executor holds no revocable resources");
  CHECK_EQUAL(
      notRevocable(Executor()), "the executor holds no revocable resources");

  Executor idle = plain;
  idle.allocated.regular = idle.own;
  idle.tasks.clear();
  CHECK_EQUAL(notRevocable(idle), "");

  Executor queuedRevocable = plain;
  queuedRevocable.allocated.revocable["cpus"] = 2000;
  CHECK_EQUAL(notRevocable(queuedRevocable), "");

  Executor beside = plain;
  beside.allocated.regular = {{"cpus", 600}, {"mem", 160000}};
  CHECK_EQUAL(notRevocable(beside), kMayBeQueued);
  beside.tasks.push_back({{{"cpus", 500}, {"mem", 64000}}, {}});
  CHECK_EQUAL(
      notRevocable(beside),
      "the executor runs a task without revocable resources");
  beside.tasks.clear();
  CHECK_EQUAL(notRevocable(beside), kMayBeQueued);

  Executor least = plain;
  least.allocated.regular["cpus"] = 101;
  CHECK_EQUAL(notRevocable(least), kMayBeQueued);

  Executor registering = plain;
  registering.tasks.clear();
  CHECK_EQUAL(notRevocable(registering), kMayBeQueued);

  Executor unknownOverhead = plain;
  unknownOverhead.own.clear();
  CHECK_EQUAL(notRevocable(unknownOverhead), kMayBeQueued);

  Executor ports = plain;
  ports.tasks.push_back(Holding());
  CHECK_EQUAL(
      notRevocable(ports),
      "the executor runs a task without revocable resources");

  // More is said of one resource than is allocated: that does not make up for
  // another one.
  Executor overdrawn = beside;
  overdrawn.own["mem"] = 4096000;
  CHECK_EQUAL(notRevocable(overdrawn), kMayBeQueued);
}

}  // namespace

void testGuard() {
  testNotRevocable();

  Guard guard;
  guard.executor(batch("f", "batch", "c1"));
  guard.executor(service("f", "web", "c2"));
  guard.executor(service("g", "batch", "c3"));
  Executor shared = batch("f", "shared", "c4");
  shared.allocated.regular["cpus"] = 600;
  guard.executor(shared);

  CHECK_EQUAL(guard.refusal(kill("f", "batch", "c1")), "");
  CHECK_EQUAL(
      guard.refusal(kill("f", "web", "c2")),
      "the executor holds no revocable resources");
  CHECK_EQUAL(
      guard.refusal(kill("g", "batch", "c3")),
      "the executor holds no revocable resources");
  CHECK_EQUAL(guard.refusal(kill("f", "shared", "c4")), kMayBeQueued);
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
