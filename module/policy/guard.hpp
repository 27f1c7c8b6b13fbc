// Which executors may be killed. The agent itself does not ask whether the
// target of a correction is revocable (slave.cpp:9513 of 1.12): this is where
// a wrong daemon is kept from a regular task.
#ifndef ESTIMATORD_POLICY_GUARD_HPP
#define ESTIMATORD_POLICY_GUARD_HPP

#include <map>
#include <string>
#include <utility>

namespace estimatord {

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
  // Adds an executor of the agent's own ResourceUsage. `revocable`: any of its
  // allocated resources is. All of them would be the wrong question: the agent
  // adds regular overhead to every command executor (slave.cpp:6925 of 1.12).
  void executor(
      const std::string& framework,
      const std::string& id,
      const std::string& container,
      bool revocable);

  // Why a kill is refused; empty when it may go on to the agent.
  std::string refusal(const Kill& kill) const;

 private:
  struct Entry {
    std::string container;
    bool revocable = false;
  };

  // By framework and executor id.
  std::map<std::pair<std::string, std::string>, Entry> executors_;
};

// "executor 'e' of framework 'f' in container 'c'", on one line.
std::string describe(const Kill& kill);

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_GUARD_HPP
