// Which executors may be killed. The agent itself does not ask whether the
// target of a correction is revocable (slave.cpp:9513 of 1.12): this is where
// a wrong daemon is kept from a regular task.
#ifndef ESTIMATORD_POLICY_GUARD_HPP
#define ESTIMATORD_POLICY_GUARD_HPP

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policy/offer.hpp"

namespace estimatord {

// What is allocated to an executor, or to a task: scalars only.
struct Holding {
  Amounts regular;
  Amounts revocable;
};

// An executor of the agent's own ResourceUsage.
struct Executor {
  std::string framework;
  std::string id;
  std::string container;
  Holding allocated;
  // What the executor itself takes, its tasks apart.
  Amounts own;
  // The launched tasks; queued ones are not listed.
  std::vector<Holding> tasks;
};

// Why the executor is none that may be killed; empty when it is one. The same
// question as the daemon asks (Classify in internal/snapshot/usage.go): all that
// runs in it, and all that is about to, is on revocable resources. What is
// regular beside that is the executor's own: the agent adds such overhead to
// every command executor (slave.cpp:6925 of 1.12).
std::string notRevocable(const Executor& executor);

// A correction, as far as it is one; what is absent is empty.
struct Kill {
  std::string framework;
  std::string executor;
  std::string container;
  // Whether the container is one inside another.
  bool nested = false;
};

class Guard {
 public:
  void executor(const Executor& executor);

  // Why a kill is refused; empty when it may go on to the agent.
  std::string refusal(const Kill& kill) const;

 private:
  struct Entry {
    std::string container;
    std::string notRevocable;
  };

  // By framework and executor id.
  std::map<std::pair<std::string, std::string>, Entry> executors_;
};

// "executor 'e' of framework 'f' in container 'c'", on one line.
std::string describe(const Kill& kill);

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_GUARD_HPP
