#include "policy/guard.hpp"

namespace estimatord {
namespace {

// An id as a frameworks may have chosen it, fit for a line of the log.
std::string quote(const std::string& id) {
  constexpr std::size_t kShown = 128;
  std::string result = "'";
  for (const char c : id.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    result.push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  return result + (id.size() > kShown ? "...'" : "'");
}

}  // namespace

void Guard::executor(
    const std::string& framework,
    const std::string& id,
    const std::string& container,
    bool revocable) {
  Entry entry;
  entry.container = container;
  entry.revocable = revocable;
  executors_[std::make_pair(framework, id)] = entry;
}

std::string Guard::refusal(const Kill& kill) const {
  if (kill.framework.empty() || kill.executor.empty()) {
    return "it does not say which executor";
  }
  // Without it a new executor under an old id could be hit.
  if (kill.container.empty()) {
    return "it does not say which container";
  }
  if (kill.nested) {
    return "it is for a nested container";
  }
  const auto at =
      executors_.find(std::make_pair(kill.framework, kill.executor));
  if (at == executors_.end()) {
    return "the agent has no such executor";
  }
  if (at->second.container != kill.container) {
    return "the executor runs in another container";
  }
  if (!at->second.revocable) {
    return "the executor holds no revocable resources";
  }
  return "";
}

std::string describe(const Kill& kill) {
  return "executor " + quote(kill.executor) + " of framework " +
         quote(kill.framework) + " in container " + quote(kill.container);
}

}  // namespace estimatord
