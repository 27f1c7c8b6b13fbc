// What the modules say in the agent's log about the daemon: that it is there,
// that it is not, and what was wrong, each once and not at every call.
#ifndef ESTIMATORD_GLUE_JOURNAL_HPP
#define ESTIMATORD_GLUE_JOURNAL_HPP

#include <string>

#include "policy/limiter.hpp"

namespace estimatord {

class Journal {
 public:
  // `subject` begins each line: "estimatord: estimate".
  explicit Journal(const std::string& subject) : subject_(subject) {}

  // The daemon answered: told when it is the first answer, or the first after
  // a failure.
  void answered();

  // The daemon did not answer; `consequence` is what the agent gets instead.
  void failed(const std::string& error, const std::string& consequence);

  // Something in an answer was dropped.
  void dropped(const std::string& what);

 private:
  const std::string subject_;
  bool answering_ = false;
  Limiter failures_;
  Limiter drops_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_GLUE_JOURNAL_HPP
